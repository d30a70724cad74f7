#include "planner/client/retry_schedule.h"

#include <algorithm>

#include "planner/rpc/retry_delay.h"

namespace greenplan {
namespace {

constexpr absl::Duration kMaxBackoff = absl::Seconds(2);
constexpr double kBackoffFactor = 1.6;

}  // namespace

std::optional<absl::Duration> RetrySchedule::PauseAfter(const absl::Status& error) {
  const std::optional<absl::Duration> delay = RetryDelayOf(error);
  const bool may_pass = absl::IsUnavailable(error) || (absl::IsResourceExhausted(error) && delay.has_value());
  if (!may_pass) return std::nullopt;
  const absl::Duration pause = backoff_ * absl::Uniform(random_, 0.8, 1.2);
  backoff_ = std::min(backoff_ * kBackoffFactor, kMaxBackoff);
  return std::max(pause, delay.value_or(absl::ZeroDuration()));
}

}  // namespace greenplan
