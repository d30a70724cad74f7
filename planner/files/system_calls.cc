#include "planner/files/system_calls.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace greenplan {
namespace {

// Null: the system's own.
std::atomic<SystemCalls*> replacement = nullptr;

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::StatusCode::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
      return absl::StatusCode::kInvalidArgument;
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOSPC:
      return absl::StatusCode::kResourceExhausted;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

}  // namespace

int SystemCalls::Open(const char* path, int flags, mode_t mode) { return open(path, flags, mode); }
ssize_t SystemCalls::Read(int descriptor, void* bytes, size_t size) { return read(descriptor, bytes, size); }
ssize_t SystemCalls::Write(int descriptor, const void* bytes, size_t size) { return write(descriptor, bytes, size); }
int SystemCalls::Fsync(int descriptor) { return fsync(descriptor); }
int SystemCalls::Close(int descriptor) { return close(descriptor); }
int SystemCalls::Rename(const char* from, const char* to) { return rename(from, to); }
int SystemCalls::Unlink(const char* path) { return unlink(path); }

SystemCalls& SystemCalls::Get() {
  static SystemCalls system;
  SystemCalls* calls = replacement;
  return calls == nullptr ? system : *calls;
}

void SystemCalls::Replace(SystemCalls* calls) { replacement = calls; }

int OpenDescriptor(const std::string& path, int flags, mode_t mode) {
  for (;;) {
    const int descriptor = SystemCalls::Get().Open(path.c_str(), flags | O_CLOEXEC, mode);
    if (descriptor >= 0) return descriptor;
    if (errno != EINTR) return -errno;
  }
}

int WriteAll(int descriptor, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = SystemCalls::Get().Write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    if (written == 0) return EIO;  // No progress and no reason: do not try for ever.
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

int Flush(int descriptor) {
  for (;;) {
    if (SystemCalls::Get().Fsync(descriptor) == 0) return 0;
    if (errno != EINTR) return errno;
  }
}

// On Linux an interrupted close has closed: trying again might close what another thread has opened since.
int CloseDescriptor(int descriptor) { return SystemCalls::Get().Close(descriptor) == 0 || errno == EINTR ? 0 : errno; }

absl::Status FileError(const std::string& path, absl::string_view what, int error) {
  return absl::Status(CodeOf(error), absl::StrCat(path, " ", what, ": ", std::generic_category().message(error)));
}

}  // namespace greenplan
