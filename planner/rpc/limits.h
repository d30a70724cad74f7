#ifndef GREENPLAN_PLANNER_RPC_LIMITS_H_
#define GREENPLAN_PLANNER_RPC_LIMITS_H_

namespace greenplan {

// The largest request that the daemon takes. A profile of 100,000 tensors takes about 10 MB. gRPC itself refuses what
// is larger with RESOURCE_EXHAUSTED.
inline constexpr int kMaxRequestBytes = 16 << 20;

// The largest answer that our client takes. A job's answer repeats its profile; a curve has a plan per budget.
inline constexpr int kMaxResponseBytes = 64 << 20;

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_RPC_LIMITS_H_
