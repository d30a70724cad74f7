#include "planner/files/files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "planner/files/atomic_file.h"
#include "planner/files/system_calls.h"

namespace greenplan {
namespace {

// There is nothing to rename over.
bool IsDevice(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

absl::Status WriteDevice(const std::string& path, absl::string_view content) {
  const int descriptor = OpenDescriptor(path, O_WRONLY);
  int error = descriptor < 0 ? -descriptor : WriteAll(descriptor, content);
  if (descriptor >= 0) {
    const int close_error = CloseDescriptor(descriptor);
    if (error == 0) error = close_error;
  }
  return error == 0 ? absl::OkStatus() : FileError(path, "cannot be written", error);
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const int descriptor = OpenDescriptor(path, O_RDONLY);
  if (descriptor < 0) return FileError(path, "cannot be read", -descriptor);
  const absl::Cleanup closer = [descriptor] { CloseDescriptor(descriptor); };
  std::string content;
  std::array<char, 1 << 16> chunk;
  for (;;) {
    const ssize_t size = SystemCalls::Get().Read(descriptor, chunk.data(), chunk.size());
    if (size == 0) return content;
    if (size > 0) {
      content.append(chunk.data(), static_cast<size_t>(size));
    } else if (errno != EINTR) {
      return FileError(path, "cannot be read", errno);
    }
  }
}

absl::Status WriteFile(const std::string& path, absl::string_view content) {
  if (IsDevice(path)) return WriteDevice(path, content);
  absl::StatusOr<std::unique_ptr<AtomicFile>> file = AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  if (absl::Status status = (*file)->Append(content); !status.ok()) return status;
  return (*file)->Commit();
}

absl::Status IfWritten(const absl::Status& status, absl::Status& unflushed) {
  if (!absl::IsDataLoss(status)) return status;
  unflushed.Update(status);
  return absl::OkStatus();
}

}  // namespace greenplan
