#ifndef GREENPLAN_PLANNER_FILES_SYSTEM_CALLS_H_
#define GREENPLAN_PLANNER_FILES_SYSTEM_CALLS_H_

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// The system calls that read and write files. Each behaves as the POSIX function of the same name and sets errno. Tests
// override those that should fail; see testing/faults.h. Thread-safe.
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

  // Returns the calls that this process uses.
  static SystemCalls& Get();
  // For tests. Makes Get return `calls`, or the system's own calls if it is null.
  // REQUIRES: no file is being read or written.
  static void Replace(SystemCalls* calls);
};

// The four functions below go on after a signal has interrupted a call.

// Returns the descriptor, or -errno.
int OpenDescriptor(const std::string& path, int flags, mode_t mode = 0);

// Writes all bytes, in several calls if need be. Returns 0 or an errno.
int WriteAll(int descriptor, absl::string_view bytes);

// Flushes the file or folder to the disk. Returns 0 or an errno.
int Flush(int descriptor);

// Closes the descriptor, which is closed even if this returns an error. Returns 0 or an errno.
int CloseDescriptor(int descriptor);

// Returns the error "PATH WHAT: REASON", where the reason is the system's text for the errno `error`. The code is
// NotFound if there is no such file or folder, PermissionDenied if access is not allowed, InvalidArgument if the path
// is a folder or no name for a file, ResourceExhausted if there is no room or too many files are open, and Unavailable
// for anything else, such as an I/O error.
absl::Status FileError(const std::string& path, absl::string_view what, int error);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FILES_SYSTEM_CALLS_H_
