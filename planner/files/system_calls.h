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
  // Opens a file as open(2) does. Returns the descriptor, or -1 with errno set.
  virtual int Open(const char* path, int flags, mode_t mode);
  // Reads as read(2) does: possibly fewer bytes than asked for, 0 at the end of the file.
  virtual ssize_t Read(int descriptor, void* bytes, size_t size);
  // Writes as write(2) does: possibly fewer bytes than given.
  virtual ssize_t Write(int descriptor, const void* bytes, size_t size);
  // Flushes a file or folder to the disk, as fsync(2) does.
  virtual int Fsync(int descriptor);
  // Closes a descriptor, as close(2) does.
  virtual int Close(int descriptor);
  // Renames a file within a file system, as rename(2) does, replacing what has the name.
  virtual int Rename(const char* from, const char* to);
  // Removes a name, as unlink(2) does.
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
