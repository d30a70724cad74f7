#include "planner/flags/duration_flag.h"

#include <cmath>

#include "absl/strings/numbers.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {

absl::StatusOr<absl::Duration> ParseDurationFlag(absl::string_view flag, const std::string& text) {
  constexpr absl::Duration kLongest = absl::Hours(24 * 365);
  absl::Duration duration;
  double seconds = 0;
  if (absl::SimpleAtod(text, &seconds)) {
    duration = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(text, &duration)) {
    duration = absl::ZeroDuration();
  }
  if (std::isnan(seconds) || duration < absl::Nanoseconds(1) || duration > kLongest) {
    return InvalidArgument(flag, " is ", text, "; allowed: seconds > 0, or a duration such as 250ms");
  }
  return duration;
}

}  // namespace greenplan
