#include "planner/rpc/retry_delay.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace greenplan {
namespace {

constexpr absl::string_view kRetryDelayUrl = "greenplan.v1/retry_delay";

}  // namespace

absl::Status WithRetryDelay(absl::Status status, absl::Duration delay) {
  status.SetPayload(kRetryDelayUrl, absl::Cord(absl::FormatDuration(delay)));
  return status;
}

std::optional<absl::Duration> RetryDelayOf(const absl::Status& status) {
  const auto text = status.GetPayload(kRetryDelayUrl);
  absl::Duration delay;
  if (!text.has_value() || !absl::ParseDuration(std::string(*text), &delay)) return std::nullopt;
  return delay;
}

}  // namespace greenplan
