#ifndef GREENPLAN_PLANNER_SERVICE_SOLVE_H_
#define GREENPLAN_PLANNER_SERVICE_SOLVE_H_

#include "absl/status/statusor.h"
#include "greenplan/v1/plan.pb.h"
#include "greenplan/v1/planner_service.pb.h"
#include "planner/job/planning.h"

namespace greenplan {

// The RPC Solve: plans from the data of the request alone. Where the call has a deadline, it answers the best plan
// found shortly before it. Cancelled if the caller has gone. The other errors are those listed in
// planner_service.proto. Thread-safe; blocks its thread until the plan is made.
absl::StatusOr<v1::Plan> Solve(const v1::SolveRequest& request, const CallLimits& limits);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_SOLVE_H_
