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

// Returns forward + backward of full fine-tuning, in the profile's cost unit.
int64_t FullCost(const ModelProfile& profile);

// Returns the budgets of a curve whose user names none: 0.02, 0.04, ... 1 of full. They start at what the pinned
// tensors cost, because below that the whole curve would be refused. Each has the options' max_saved_bytes.
std::vector<Budget> DefaultCurveBudgets(const ModelProfile& profile, const PlanOptions& options);

// Explains `plan`. Returns an object for each tensor, [num_tensors]:
//
//   {"tensor": name, "trainable": bool, "importance", "marginal_cost", "marginal_saved_bytes", "entry_budget"}
//
// All but the last key are as in ExplainMask (planner/core/explanation.h). entry_budget is the lowest cost among
// `budgets` whose plan trains the tensor, or null if no plan does. Those plans are of method selection, whatever the
// method of `plan`, with `options` otherwise. Empty `budgets` stand for DefaultCurveBudgets.
//
// The errors of ExplainMask and of MakeCurve (planning.h); the field "budget" of the latter is about `budgets`.
// REQUIRES: `plan`, `measurements` and `options` are of this profile, and the measurements are valid for method
// selection.
absl::StatusOr<std::vector<nlohmann::ordered_json>> ExplainPlan(const PreparedProfile& profile, const Plan& plan,
                                                                const Measurements& measurements,
                                                                const PlanOptions& options,
                                                                std::vector<Budget> budgets);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_JOB_EXPLAIN_H_
