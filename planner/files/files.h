#ifndef GREENPLAN_PLANNER_FILES_FILES_H_
#define GREENPLAN_PLANNER_FILES_FILES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// Whole files of any content. Thread-safe. Errors name the file and the system's reason, under these codes: NotFound,
// PermissionDenied, InvalidArgument (a folder, or no name for a file), ResourceExhausted (no room), Unavailable (an I/O
// error). What is too large to hold is the caller's to know.

absl::StatusOr<std::string> ReadFile(const std::string& path);

// Leaves either the old file or the whole new one; see atomic_file.h for how. A pipe, a terminal or another device is
// written to as it is. DataLoss: written, but its folder could not be flushed.
absl::Status WriteFile(const std::string& path, absl::string_view content);

// For files that belong together: OK if the file has its name, be it that its folder could not be flushed; that
// DataLoss goes to `unflushed`, for when all files are written. Otherwise `status`.
absl::Status IfWritten(const absl::Status& status, absl::Status& unflushed);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FILES_FILES_H_
