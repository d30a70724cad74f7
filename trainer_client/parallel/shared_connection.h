#ifndef GREENPLAN_TRAINER_CLIENT_PARALLEL_SHARED_CONNECTION_H_
#define GREENPLAN_TRAINER_CLIENT_PARALLEL_SHARED_CONNECTION_H_

#include <memory>

#include "planner/client/connection.h"
#include "trainer_client/parallel/rank_group.h"

namespace greenplan::trainer {

// Who plans for the ranks of a job.
enum class SharedPlanner {
  kDaemon,  // Each rank reports to the daemon, whose barrier makes one plan of all reports.
  kLocal,   // The ranks' reports are averaged (planner/job/report_average.h), and rank 0's connection plans.
};

// A connection through which the ranks of one job plan together: every call of CreateJob and PlanRound is collective
// (RankGroup) and has the same result on each rank. World size and rank are filled in. If some ranks get a plan from
// the daemon and others an error, all take the plan.
//
// Errors beside those of `connection` and of RankGroup: Internal if ranks get different plans for a round; the message
// names the ranks. Other calls go to this rank's `connection`. `ranks` must outlive the result. Not thread-safe.
std::unique_ptr<Connection> ShareConnection(std::shared_ptr<Connection> connection, SharedPlanner planner,
                                            RankGroup& ranks);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_PARALLEL_SHARED_CONNECTION_H_
