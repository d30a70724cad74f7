#ifndef GREENPLAN_PLANNER_CLIENT_LOCAL_CONNECTION_H_
#define GREENPLAN_PLANNER_CLIENT_LOCAL_CONNECTION_H_

#include <memory>

#include "absl/time/time.h"
#include "planner/client/connection.h"

namespace greenplan {

// A planner in this process. It answers what a daemon would, down to the digests, but keeps jobs in memory alone: after
// a restart the same CreateJob starts the job anew, and PlanRound goes on at whichever round comes next. Where the
// daemon wants the round before, this planner takes the latest that it knows. A job has one rank here: InvalidArgument
// if its world_size is above 1, as no other process can report to this one. Outcomes are checked, and kept only to tell
// a repeated one from another.
// DeadlineExceeded if a plan takes longer than `timeout`; PlanOptions.time_limit gets the best plan found by then.
std::unique_ptr<Connection> NewLocalConnection(absl::Duration timeout);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLIENT_LOCAL_CONNECTION_H_
