#ifndef GREENPLAN_PLANNER_FILES_ATOMIC_FILE_H_
#define GREENPLAN_PLANNER_FILES_ATOMIC_FILE_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace greenplan {

// A file that appears under its name whole or not at all, whatever stops the program or fails: it is written beside its
// place, flushed to the disk and then renamed, and so is the folder's entry of it.
//
//   absl::StatusOr<std::unique_ptr<AtomicFile>> file = AtomicFile::Create(path);
//   if (!file.ok()) return file.status();
//   if (absl::Status status = (*file)->Append(bytes); !status.ok()) return status;
//   return (*file)->Commit();
//
// Errors are those of FileError in system_calls.h; they name the file and the system's reason. After any of them, and
// without Commit, the destructor removes what was written, and the file that had the name before is as it was.
// Not thread-safe; files of one name may be written at the same time, and the last Commit stands.
class AtomicFile {
 public:
  static absl::StatusOr<std::unique_ptr<AtomicFile>> Create(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  absl::Status Append(absl::Span<const std::byte> bytes);
  absl::Status Append(absl::string_view text);

  // The file has its name and survives a power failure once this is OK. DataLoss: it has its name, but a power failure
  // may still bring the old file back, because the folder could not be flushed. To be called once, after no error.
  absl::Status Commit();

 private:
  AtomicFile(const std::string& path, const std::string& temporary_path, int descriptor)
      : path_(path), temporary_path_(temporary_path), descriptor_(descriptor) {}
  absl::Status FlushFolder() const;

  const std::string path_;
  std::string temporary_path_;  // Empty once it has its name.
  int descriptor_;              // -1 once it is closed.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FILES_ATOMIC_FILE_H_
