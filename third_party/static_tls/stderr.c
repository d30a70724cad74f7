// Gives the archives of Abseil and protobuf, which address `stderr` as if it lay in the same file, a pointer of their
// own. The linker renames their references by --wrap=stderr.
#include <stdio.h>

#undef stderr
extern FILE* __real_stderr;
FILE* __wrap_stderr;

// The first constructor to run, because others may log.
__attribute__((constructor(101))) static void CopyStderr(void) { __wrap_stderr = __real_stderr; }
