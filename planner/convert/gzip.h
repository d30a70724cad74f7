#ifndef GREENPLAN_PLANNER_CONVERT_GZIP_H_
#define GREENPLAN_PLANNER_CONVERT_GZIP_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// The gzip format in memory. Pure functions, thread-safe.

// Messages are at most 2 GiB, and so is what a .gz file of one holds.
inline constexpr size_t kMaxGunzippedBytes = (size_t{1} << 31) - 1;

// One member without a name or a time: the same bytes give the same result. REQUIRES: at most kMaxGunzippedBytes.
std::string Gzip(absl::string_view bytes);

// The content of all members of a gzip file, one behind the other. InvalidArgument: not gzip, damaged, truncated, or
// more than `max_bytes` of content, at which point reading stops.
absl::StatusOr<std::string> Gunzip(absl::string_view bytes, size_t max_bytes = kMaxGunzippedBytes);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CONVERT_GZIP_H_
