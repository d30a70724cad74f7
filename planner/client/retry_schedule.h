#ifndef GREENPLAN_PLANNER_CLIENT_RETRY_SCHEDULE_H_
#define GREENPLAN_PLANNER_CLIENT_RETRY_SCHEDULE_H_

#include <optional>

#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/time/time.h"

namespace greenplan {

// When an idempotent call that has failed is tried again: after Unavailable, and after ResourceExhausted that says when
// (retry_delay.h), which means a queue or a quota that is full for now. Pauses grow exponentially, with jitter, and are
// never shorter than the delay that the planner asked for.
// Not thread-safe; one per call.
class RetrySchedule {
 public:
  // The pause before the next attempt; empty if the call is not to be tried again. REQUIRES: `error` is not OK.
  std::optional<absl::Duration> PauseAfter(const absl::Status& error);

 private:
  absl::BitGen random_;
  absl::Duration backoff_ = absl::Milliseconds(100);
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLIENT_RETRY_SCHEDULE_H_
