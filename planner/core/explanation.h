#ifndef GREENPLAN_PLANNER_CORE_EXPLANATION_H_
#define GREENPLAN_PLANNER_CORE_EXPLANATION_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/core/model_profile.h"
#include "planner/core/plan.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// Why a tensor is, or is not, in a plan. All functions of this header are pure and thread-safe.
//
//   absl::StatusOr<std::vector<TensorMarginal>> marginals =
//       ExplainMask(profile, plan.trainable, measurements.importance);
//   // (*marginals)[k].marginal_cost is what training tensor k costs beside the rest of the plan.
//
// What one tensor adds to a plan.
struct TensorMarginal {
  bool trainable = false;
  // What training it adds to the plan's backward cost, ops that only it keeps live included: what adding it would cost,
  // or, if it is trainable, what leaving it out would save. In the profile's cost unit.
  int64_t marginal_cost = 0;
  // Its importance: what adding it would gain, or leaving it out would lose.
  double importance = 0;
  // Saved bytes, as marginal_cost.
  int64_t marginal_saved_bytes = 0;
};

// Returns the marginals of every tensor, [num_tensors], with respect to the mask `trainable` ([num_tensors]).
// `importance` is [num_tensors]. A tensor without an op has marginal cost 0.
//
// O(ops + edges + tensors) where the parents of an op are near it, as in models; on other graphs up to that times the
// number of ops. DeadlineExceeded if the meter's stop function fires; ResourceExhausted if its work runs out.
absl::StatusOr<std::vector<TensorMarginal>> ExplainMask(const ModelProfile& profile, const std::vector<bool>& trainable,
                                                        const std::vector<double>& importance, WorkMeter& meter);
// The same with a work limit of its own, which takes some seconds at most, and without a stop function.
absl::StatusOr<std::vector<TensorMarginal>> ExplainMask(const ModelProfile& profile, const std::vector<bool>& trainable,
                                                        const std::vector<double>& importance);

// Returns for each tensor the lowest budget (forward + backward, in cost_unit) among the plans of `curve` that train
// it, [num_tensors]; nullopt if no plan does. `curve` is what Planner::MakeCurve returned, in any order.
std::vector<std::optional<int64_t>> EntryBudgets(const std::vector<Plan>& curve, int num_tensors);

// Returns what a plan brings per cost, compared with training everything: the plan's share of all positive importance
// divided by its share of full_cost. Above 1, the plan is worth more per cost than full fine-tuning. A tensor of a
// block counts with the probability that the block is not dropped. `importance` is [num_tensors]. Returns 0 if no
// tensor that has an op has an importance above 0, or if the plan costs nothing.
double ValuePerCost(const ModelProfile& profile, const Plan& plan, const std::vector<double>& importance);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_EXPLANATION_H_
