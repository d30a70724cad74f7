#include "planner/admission/token_bucket.h"

#include <algorithm>
#include <cmath>

namespace greenplan {
namespace {

constexpr absl::Duration kMaxWait = absl::Seconds(10);

// Shorter waits cost more in refusals than they save.
constexpr absl::Duration kMinWait = absl::Milliseconds(10);

}  // namespace

TokenBucket::TokenBucket(const Limit& limit, absl::Time now)
    : limit_(limit), tokens_(limit.capacity), refilled_at_(now) {}

absl::Duration TokenBucket::Take(absl::Time now) {
  if (std::isinf(limit_.tokens_per_second)) return absl::ZeroDuration();
  Refill(now);
  if (tokens_ >= 1) {
    --tokens_;
    return absl::ZeroDuration();
  }
  ++promised_;
  const absl::Duration wait = TimeToRefill(promised_ - tokens_);
  if (wait > kMaxWait) --promised_;
  return std::clamp(wait, kMinWait, kMaxWait);
}

absl::Duration TokenBucket::TimeUntilPositive(absl::Time now) {
  if (std::isinf(limit_.tokens_per_second)) return absl::ZeroDuration();
  Refill(now);
  if (tokens_ > 0) return absl::ZeroDuration();
  return std::max(TimeToRefill(-tokens_), kMinWait);
}

void TokenBucket::Charge(double tokens, absl::Time now) {
  if (std::isinf(limit_.tokens_per_second)) return;
  Refill(now);
  tokens_ -= tokens;
}

void TokenBucket::SetLimit(const Limit& limit, absl::Time now) {
  // Without a limit nothing was counted.
  const bool was_unlimited = std::isinf(limit_.tokens_per_second);
  if (!was_unlimited) Refill(now);
  limit_ = limit;
  refilled_at_ = std::max(refilled_at_, now);
  tokens_ = was_unlimited ? limit.capacity : std::min(tokens_, limit.capacity);
}

void TokenBucket::Refill(absl::Time now) {
  if (now <= refilled_at_) return;
  const double refill = absl::ToDoubleSeconds(now - refilled_at_) * limit_.tokens_per_second;
  tokens_ = std::min(tokens_ + refill, limit_.capacity);
  promised_ = std::max(promised_ - refill, 0.0);
  refilled_at_ = now;
}

absl::Duration TokenBucket::TimeToRefill(double tokens) const {
  return absl::Seconds(tokens / limit_.tokens_per_second);
}

}  // namespace greenplan
