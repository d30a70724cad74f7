#ifndef GREENPLAN_PLANNER_FILES_SYSTEM_CALLS_H_
#define GREENPLAN_PLANNER_FILES_SYSTEM_CALLS_H_

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// The system calls that read and write files. Each does as its namesake in POSIX, errno included. Tests override what
// should fail; see testing/faults.h. Thread-safe.
class SystemCalls {
 public:
  virtual ~SystemCalls() = default;
  virtual int Open(const char* path, int flags, mode_t mode);
  virtual ssize_t Read(int descriptor, void* bytes, size_t size);
  virtual ssize_t Write(int descriptor, const void* bytes, size_t size);
  virtual int Fsync(int descriptor);
  virtual int Close(int descriptor);
  virtual int Rename(const char* from, const char* to);
  virtual int Unlink(const char* path);

  // Those that the process uses.
  static SystemCalls& Get();
  // For tests: uses `calls` from now on, null for the system's own. Not while a file is being read or written.
  static void Replace(SystemCalls* calls);
};

// The calls with what is the same for all callers: signals interrupt none of them, and an error is answered as an
// errno, success as 0.

// The descriptor, or -errno.
int OpenDescriptor(const std::string& path, int flags, mode_t mode = 0);
// Until all is written.
int WriteAll(int descriptor, absl::string_view bytes);
int Flush(int descriptor);
// The descriptor is closed whatever the answer.
int CloseDescriptor(int descriptor);

// "PATH WHAT: REASON" for an errno, under the code that fits it. NotFound: no such file or folder. PermissionDenied:
// not allowed. InvalidArgument: a folder, or no name for a file. ResourceExhausted: no room, or too many open files.
// Unavailable: anything else, such as an I/O error.
absl::Status FileError(const std::string& path, absl::string_view what, int error);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FILES_SYSTEM_CALLS_H_
