#ifndef GREENPLAN_TRAINER_CLIENT_CHECKPOINT_ATOMIC_FILE_H_
#define GREENPLAN_TRAINER_CLIENT_CHECKPOINT_ATOMIC_FILE_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace greenplan::trainer {

// A file that appears under its name whole or not at all, whatever stops the program: written beside it, flushed to the
// disk, then renamed. Dropped without Commit(), it leaves nothing behind.
// Not thread-safe. Failures are Unavailable (the disk may have room later) and name the file and the system's reason.
class AtomicFile {
 public:
  static absl::StatusOr<std::unique_ptr<AtomicFile>> Create(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  absl::Status Append(absl::Span<const std::byte> bytes);
  absl::Status Append(const std::string& text);
  absl::Status Commit();

 private:
  AtomicFile(std::string path, std::string temporary_path, int descriptor);
  absl::Status Failure(const std::string& what) const;

  std::string path_;
  std::string temporary_path_;
  int descriptor_;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_CHECKPOINT_ATOMIC_FILE_H_
