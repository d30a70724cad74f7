#ifndef GREENPLAN_PLANNER_FLAGS_DURATION_FLAG_H_
#define GREENPLAN_PLANNER_FLAGS_DURATION_FLAG_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace greenplan {

// Returns the duration that the text of `flag` stands for: a number of seconds, or a duration such as 250ms or 1m30s.
// InvalidArgument, naming the flag, unless it is above zero and at most a year. Thread-safe.
absl::StatusOr<absl::Duration> ParseDurationFlag(absl::string_view flag, const std::string& text);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_FLAGS_DURATION_FLAG_H_
