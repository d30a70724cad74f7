#ifndef GREENPLAN_PLANNER_CLI_REQUESTED_PLAN_H_
#define GREENPLAN_PLANNER_CLI_REQUESTED_PLAN_H_

#include <string>

#include "absl/status/statusor.h"
#include "greenplan/v1/plan.pb.h"
#include "planner/core/plan.h"
#include "planner/flags/plan_flags.h"
#include "planner/job/prepared_profile.h"

namespace greenplan {

// The plan that a command's flags ask for: what `plan` prints and `explain` explains. Errors name flags and files.

// Returns the options as the flags have them, checked. The commands that use this function plan within a budget: their
// default method is selection, so that a missing --budget is an error and not a plan that trains everything.
// InvalidArgument names the flag.
absl::StatusOr<v1::PlanOptions> RequestedOptions(const PlanFlags& flags);

// Makes the plan. `measurements` may be null with method full. `keep_plan` is the path of the plan in force, which
// --churn-threshold may keep, or empty. The errors of LoadPlan and of MakePlan (planner/job/planning.h), the latter
// naming flags.
absl::StatusOr<Plan> RequestedPlan(const PreparedProfile& profile, const PlanOptions& options,
                                   const Measurements* measurements, const std::string& keep_plan);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_REQUESTED_PLAN_H_
