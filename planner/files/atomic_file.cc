#include "planner/files/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "planner/files/system_calls.h"

namespace greenplan {
namespace {

constexpr char kCannotWrite[] = "cannot be written";

// Beside the file, because a rename cannot cross file systems.
std::string TemporaryPath(const std::string& path) {
  static std::atomic<int> counter = 0;
  return absl::StrCat(path, ".tmp.", getpid(), ".", counter++);
}

}  // namespace

absl::StatusOr<std::unique_ptr<AtomicFile>> AtomicFile::Create(const std::string& path) {
  for (;;) {
    const std::string temporary = TemporaryPath(path);
    const int descriptor = OpenDescriptor(temporary, O_WRONLY | O_CREAT | O_EXCL, /*mode=*/0666);
    if (descriptor >= 0) return std::unique_ptr<AtomicFile>(new AtomicFile(path, temporary, descriptor));
    // A program that was killed may have left a file of this name.
    if (descriptor != -EEXIST) return FileError(path, kCannotWrite, -descriptor);
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) CloseDescriptor(descriptor_);
  if (!temporary_path_.empty()) SystemCalls::Get().Unlink(temporary_path_.c_str());
}

absl::Status AtomicFile::Append(absl::Span<const std::byte> bytes) {
  return Append(absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

absl::Status AtomicFile::Append(absl::string_view text) {
  const int error = WriteAll(descriptor_, text);
  return error == 0 ? absl::OkStatus() : FileError(path_, kCannotWrite, error);
}

absl::Status AtomicFile::Commit() {
  int error = Flush(descriptor_);
  const int close_error = CloseDescriptor(std::exchange(descriptor_, -1));  // Delayed writes may fail here.
  if (error == 0) error = close_error;
  if (error == 0 && SystemCalls::Get().Rename(temporary_path_.c_str(), path_.c_str()) != 0) error = errno;
  if (error != 0) return FileError(path_, kCannotWrite, error);
  temporary_path_.clear();
  return FlushFolder();
}

// The new name lies in the folder.
absl::Status AtomicFile::FlushFolder() const {
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  const int descriptor = OpenDescriptor(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY);
  const int error = descriptor < 0 ? -descriptor : Flush(descriptor);
  if (descriptor >= 0) CloseDescriptor(descriptor);
  // Some file systems, network ones among them, do not flush folders.
  if (error == 0 || error == EINVAL) return absl::OkStatus();
  return absl::DataLossError(
      FileError(path_, "is written, but its folder cannot be flushed to the disk", error).message());
}

}  // namespace greenplan
