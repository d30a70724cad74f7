#ifndef GREENPLAN_PLANNER_CLI_REQUESTED_PLAN_H_
#define GREENPLAN_PLANNER_CLI_REQUESTED_PLAN_H_

#include <string>

#include "absl/status/statusor.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "planner/convert/round_planner.h"
#include "planner/flags/plan_flags.h"

namespace greenplan {

// The plan that a command's flags ask for: what `plan` prints and `explain` explains. Errors name flags and files.

// The options as the flags have them; selection without --method, also without a budget: a plan is asked for all the
// same, so that the budget is what is missing.
absl::StatusOr<v1::PlanOptions> RequestedOptions(const PlanFlags& flags);

// `report` may be null with method full. `keep_plan` is the path of the plan in force, or empty.
absl::StatusOr<v1::Plan> RequestedPlan(const RoundPlanner& planner, const v1::PlanOptions& options,
                                       const v1::ImportanceReport* report, const std::string& keep_plan);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_REQUESTED_PLAN_H_
