// The files: mapping one and writing one.
#include "trainer_client/checkpoint/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "planner/files/atomic_file.h"

namespace greenplan::trainer {
namespace {

absl::StatusOr<absl::Span<const std::byte>> MapFile(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    const std::string message = absl::StrCat(path, ": ", std::generic_category().message(errno));
    return errno == ENOENT ? absl::NotFoundError(message) : absl::InvalidArgumentError(message);
  }
  struct stat info;
  if (fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0) {
    close(descriptor);
    return absl::InvalidArgumentError(absl::StrCat(path, ": is empty or not a file"));
  }
  const auto size = static_cast<size_t>(info.st_size);
  void* address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  const int error = errno;
  close(descriptor);
  if (address == MAP_FAILED) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": cannot be mapped: ", std::generic_category().message(error)));
  }
  return absl::Span<const std::byte>(static_cast<const std::byte*>(address), size);
}

std::string Header(const std::map<std::string, TensorView>& tensors) {
  nlohmann::ordered_json header = {{"__metadata__", {{"format", "pt"}}}};
  uint64_t offset = 0;
  for (const auto& [name, view] : tensors) {
    const uint64_t end = offset + view.data.size();
    header[name] = {{"dtype", DtypeName(view.dtype)}, {"shape", view.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // So that the data begins aligned.
  std::string length;
  for (int i = 0; i < 8; ++i) length.push_back(static_cast<char>(text.size() >> (8 * i) & 0xff));
  return length + text;
}

}  // namespace

SafetensorsFile::~SafetensorsFile() { munmap(const_cast<std::byte*>(mapping_.data()), mapping_.size()); }

absl::StatusOr<std::unique_ptr<SafetensorsFile>> SafetensorsFile::Open(const std::string& path) {
  absl::StatusOr<absl::Span<const std::byte>> mapping = MapFile(path);
  if (!mapping.ok()) return mapping.status();
  std::unique_ptr<SafetensorsFile> file(new SafetensorsFile(*mapping));
  absl::StatusOr<std::map<std::string, TensorView>> tensors = ParseSafetensors(*mapping, path);
  if (!tensors.ok()) return tensors.status();
  file->tensors_ = *std::move(tensors);
  return file;
}

absl::Status WriteSafetensors(const std::string& path, const std::map<std::string, TensorView>& tensors) {
  absl::StatusOr<std::unique_ptr<AtomicFile>> file = AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  if (absl::Status status = (*file)->Append(Header(tensors)); !status.ok()) return status;
  for (const auto& [name, view] : tensors) {
    if (absl::Status status = (*file)->Append(view.data); !status.ok()) return status;
  }
  return (*file)->Commit();
}

}  // namespace greenplan::trainer
