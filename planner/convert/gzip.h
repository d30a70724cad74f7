#ifndef GREENPLAN_PLANNER_CONVERT_GZIP_H_
#define GREENPLAN_PLANNER_CONVERT_GZIP_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// The gzip format in memory. Pure functions, thread-safe.

// Deterministic: no name, no time.
std::string Gzip(absl::string_view bytes);

// Every member of a gzip file. InvalidArgument: not gzip, truncated, or more than 2 GiB of content.
absl::StatusOr<std::string> Gunzip(absl::string_view bytes);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CONVERT_GZIP_H_
