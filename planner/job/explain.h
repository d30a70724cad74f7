#ifndef GREENPLAN_PLANNER_JOB_EXPLAIN_H_
#define GREENPLAN_PLANNER_JOB_EXPLAIN_H_

#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "planner/core/plan.h"
#include "planner/job/prepared_profile.h"

namespace greenplan {

// What a plan's tensors cost beside each other, and the budgets at which they enter, as JSON that every program prints
// alike. Thread-safe functions.

// Forward and backward of full fine-tuning, in the profile's cost unit.
int64_t FullCost(const ModelProfile& profile);

// The curve's default: 0.02:1:0.02 of full, from what the pinned tensors cost; below that the whole curve would be
// refused. Each with the options' max_saved_bytes.
std::vector<Budget> DefaultCurveBudgets(const ModelProfile& profile, const PlanOptions& options);

// [num_tensors] objects:
//   {"tensor": name, "trainable": bool, "importance", "marginal_cost", "marginal_saved_bytes", "entry_budget"}
// The first of them are those of ExplainMask (planner/core). entry_budget is the lowest cost among `budgets` whose plan
// trains the tensor, null if there is none. Those plans are of method selection, whatever the plan's method is, with
// `options` otherwise. Empty `budgets` stand for DefaultCurveBudgets.
//
// The errors of MakeCurve (planning.h); their field "budget" is about `budgets`. REQUIRES: `plan`, `measurements` and
// `options` are of this profile; the measurements are valid for method selection.
absl::StatusOr<std::vector<nlohmann::ordered_json>> ExplainPlan(const PreparedProfile& profile, const Plan& plan,
                                                                const Measurements& measurements,
                                                                const PlanOptions& options,
                                                                std::vector<Budget> budgets);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_JOB_EXPLAIN_H_
