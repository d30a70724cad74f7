#ifndef GREENPLAN_PLANNER_RPC_RETRY_DELAY_H_
#define GREENPLAN_PLANNER_RPC_RETRY_DELAY_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace greenplan {

// How long a caller should wait before it tries again, carried by the error itself as google.rpc.RetryInfo carries it
// over the wire. ResourceExhausted says by it that a quota or a queue is full for now; without it the request is too
// large for good.
// Pure functions, thread-safe.

// Returns `status` with the delay. REQUIRES: `status` is not OK; `delay` is finite and >= 0.
//
//   return WithRetryDelay(absl::ResourceExhaustedError("the queue is full"), absl::Seconds(1));
absl::Status WithRetryDelay(absl::Status status, absl::Duration delay);

// Returns the delay that `status` carries; nullopt if it carries none.
std::optional<absl::Duration> RetryDelayOf(const absl::Status& status);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_RPC_RETRY_DELAY_H_
