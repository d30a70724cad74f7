#ifndef GREENPLAN_PLANNER_CLIENT_RETRY_SCHEDULE_H_
#define GREENPLAN_PLANNER_CLIENT_RETRY_SCHEDULE_H_

#include <optional>

#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/time/time.h"

namespace greenplan {

// Decides when an idempotent call that has failed is tried again. That is so after Unavailable, and after
// ResourceExhausted with a retry delay (planner/rpc/retry_delay.h), which means that a queue or a quota is full for
// now. Pauses grow exponentially, with jitter, and are never shorter than the delay that the planner asked for.
//
// Not thread-safe. Make one for each call.
class RetrySchedule {
 public:
  // Returns the pause before the next attempt, or nullopt if the call is not to be tried again. The caller keeps the
  // deadline. REQUIRES: `error` is not OK.
  std::optional<absl::Duration> PauseAfter(const absl::Status& error);

 private:
  absl::BitGen random_;
  absl::Duration backoff_ = absl::Milliseconds(100);
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLIENT_RETRY_SCHEDULE_H_
