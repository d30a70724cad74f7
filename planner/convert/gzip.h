#ifndef GREENPLAN_PLANNER_CONVERT_GZIP_H_
#define GREENPLAN_PLANNER_CONVERT_GZIP_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// The gzip format in memory. Thread-safe.

// The largest content in bytes. A protobuf message cannot be larger.
inline constexpr size_t kMaxGunzippedBytes = (size_t{1} << 31) - 1;

// Compresses the bytes into one member that holds no file name and no time, so the same bytes give the same result.
// REQUIRES: there are at most kMaxGunzippedBytes bytes.
std::string Gzip(absl::string_view bytes);

// Returns the contents of all members of a gzip file, one after the other. InvalidArgument: the bytes are not gzip,
// damaged or truncated, or there are more than `max_bytes` of content; reading stops at that point.
absl::StatusOr<std::string> Gunzip(absl::string_view bytes, size_t max_bytes = kMaxGunzippedBytes);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CONVERT_GZIP_H_
