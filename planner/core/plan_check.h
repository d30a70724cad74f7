#ifndef GREENPLAN_PLANNER_CORE_PLAN_CHECK_H_
#define GREENPLAN_PLANNER_CORE_PLAN_CHECK_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "planner/core/model_profile.h"
#include "planner/core/plan.h"
#include "planner/core/selection/selection.h"

namespace greenplan {

// What a request demands of any plan that answers it, whatever the method.
struct PlanLimits {
  // What is allowed for each tensor, [num_tensors].
  std::vector<Pin> pins = {};

  // What forward + backward may cost, in cost_unit. Unset if the request alone does not tell it.
  std::optional<int64_t> budget = {};

  // Bytes that may be kept for backward. Unset: no limit.
  std::optional<int64_t> max_saved_bytes = {};

  // Bounds on the drop rate of each block, [num_blocks]. Both are empty if the method drops nothing.
  std::vector<double> min_rates = {};
  std::vector<double> max_rates = {};
};

// The last look at a plan before it leaves the planner. It always runs, in release builds too. It checks that the plan
// trains what the pins demand and no tensor without an op, that its cost keeps the budget and its bytes
// max_saved_bytes, that its rates are numbers within their bounds, and that its value does not exceed its bound. An
// empty plan trains nothing, and it alone may cost more than the budget, since a step never costs less than its forward
// pass.
//
// Returns Internal with what is wrong if a solver broke a promise, OK otherwise.
//
// is_copy: a plan that differs from `plan` in its budget alone has already passed. Then pins and rates are not looked
// at again, and the check takes O(1) apart from empty plans.
//
// REQUIRES: plan.predicted_cost and plan.saved_bytes were computed by cost.h, which shares no code with the solvers.
// Pure, thread-safe, O(tensors + blocks).
absl::Status CheckPlan(const ModelProfile& profile, const PlanLimits& limits, const Plan& plan, bool is_copy = false);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_PLAN_CHECK_H_
