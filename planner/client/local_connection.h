#ifndef GREENPLAN_PLANNER_CLIENT_LOCAL_CONNECTION_H_
#define GREENPLAN_PLANNER_CLIENT_LOCAL_CONNECTION_H_

#include <memory>

#include "absl/time/time.h"
#include "planner/client/connection.h"

namespace greenplan {

// Returns a planner in this process. It answers what a daemon would, down to the digests, with these differences:
//
// - Jobs are kept in memory alone. After a restart the same CreateJob starts the job anew, and PlanRound goes on at
//   whichever round comes next: where the daemon wants the round before, this planner takes the latest that it knows,
//   which RestorePlan() hands back to it.
// - A job has one rank, since no other process can report here. CreateJob answers InvalidArgument for a world_size
//   above 1.
// - Outcomes are checked, and kept only to tell a repeated one from a different one.
//
// A call answers DeadlineExceeded if a plan takes longer than `timeout`. PlanOptions.time_limit gets the best plan
// found by then instead.
std::unique_ptr<Connection> NewLocalConnection(absl::Duration timeout);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLIENT_LOCAL_CONNECTION_H_
