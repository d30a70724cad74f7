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

// A file that appears under its name whole or not at all, whatever fails or stops the program. It is written under a
// temporary name in the same folder, flushed to the disk and renamed; then the folder is flushed.
//
//   absl::StatusOr<std::unique_ptr<AtomicFile>> file = AtomicFile::Create(path);
//   if (!file.ok()) return file.status();
//   if (absl::Status status = (*file)->Append(bytes); !status.ok()) return status;
//   return (*file)->Commit();
//
// Errors have the codes of FileError in system_calls.h, name the file and give the system's reason. After an error, or
// if Commit is not called, the destructor removes the temporary file, and the file that had the name before is
// unchanged. Not thread-safe. Several objects may write the same path at the same time; the last Commit wins.
class AtomicFile {
 public:
  // Opens the temporary file.
  static absl::StatusOr<std::unique_ptr<AtomicFile>> Create(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Writes behind what was appended before.
  absl::Status Append(absl::Span<const std::byte> bytes);
  // The same for text.
  absl::Status Append(absl::string_view text);

  // If this returns OK, the file has its name and survives a power failure. DataLoss: the file has its name, but a
  // power failure may still bring the old file back, because the folder could not be flushed. REQUIRES: Append has
  // returned no error, and Commit has not been called before.
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
