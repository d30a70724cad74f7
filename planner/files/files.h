#ifndef GREENPLAN_PLANNER_FILES_FILES_H_
#define GREENPLAN_PLANNER_FILES_FILES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// Functions that read and write whole files of any content. Thread-safe.
//
// Every error names the file and gives the system's reason. Its code is NotFound, PermissionDenied, InvalidArgument
// (the path is a folder or no name for a file), ResourceExhausted (there is no room) or Unavailable (anything else,
// such as an I/O error).

// Returns the bytes of the file. There is no limit on its size; a caller that needs one checks it first.
absl::StatusOr<std::string> ReadFile(const std::string& path);

// Replaces the file by one that holds `content`, or creates it. If this fails, the old file is as it was; see
// atomic_file.h. A pipe, a terminal or another device is not replaced: the content is written to it. DataLoss if the
// new file has its name, but its folder could not be flushed to the disk.
absl::Status WriteFile(const std::string& path, absl::string_view content);

// Helps to write several files that belong together. `status` is what writing one of them returned. If it is DataLoss,
// the file is there: this keeps the first such error in `unflushed`, to be returned once all files are written, and
// returns OK. Returns any other status as it is.
absl::Status IfWritten(const absl::Status& status, absl::Status& unflushed);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FILES_FILES_H_
