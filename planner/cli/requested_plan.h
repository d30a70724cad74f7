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

// The options as the flags have them. These commands plan within a budget: the default of their --method is selection,
// so that a missing --budget is an error and not a plan that trains everything.
absl::StatusOr<v1::PlanOptions> RequestedOptions(const PlanFlags& flags);

// `measurements` may be null with method full. `keep_plan` is the path of the plan in force, or empty.
absl::StatusOr<Plan> RequestedPlan(const PreparedProfile& profile, const PlanOptions& options,
                                   const Measurements* measurements, const std::string& keep_plan);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_REQUESTED_PLAN_H_
