#include "trainer_client/checkpoint/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace greenplan::trainer {
namespace {

std::string SystemReason() { return std::generic_category().message(errno); }

}  // namespace

AtomicFile::AtomicFile(std::string path, std::string temporary_path, int descriptor)
    : path_(std::move(path)), temporary_path_(std::move(temporary_path)), descriptor_(descriptor) {}

absl::Status AtomicFile::Failure(const std::string& what) const {
  return absl::UnavailableError(absl::StrCat(path_, ": cannot ", what, ": ", SystemReason()));
}

absl::StatusOr<std::unique_ptr<AtomicFile>> AtomicFile::Create(const std::string& path) {
  const std::string temporary = absl::StrCat(path, ".", getpid(), ".tmp");
  const int descriptor = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return absl::UnavailableError(absl::StrCat(path, ": cannot create: ", SystemReason()));
  return std::unique_ptr<AtomicFile>(new AtomicFile(path, temporary, descriptor));
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  unlink(temporary_path_.c_str());
}

absl::Status AtomicFile::Append(absl::Span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failure("write");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status AtomicFile::Append(const std::string& text) { return Append(std::as_bytes(std::span(text))); }

absl::Status AtomicFile::Commit() {
  if (fsync(descriptor_) != 0) return Failure("flush");
  if (rename(temporary_path_.c_str(), path_.c_str()) != 0) return Failure("rename");
  close(std::exchange(descriptor_, -1));
  // The new name itself lies in the folder.
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  const int folder_descriptor = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_descriptor < 0) return Failure("flush the folder of");
  const bool flushed = fsync(folder_descriptor) == 0;
  close(folder_descriptor);
  return flushed ? absl::OkStatus() : Failure("flush the folder of");
}

}  // namespace greenplan::trainer
