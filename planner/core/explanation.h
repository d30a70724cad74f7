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

// Why a tensor is, or is not, in a plan. Thread-safe functions.
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

// [num_tensors]. A tensor without an op has marginal cost 0. O(ops + edges + tensors) if the parents of an op are near
// it, as in models; on other graphs up to that times the number of ops. ResourceExhausted if the meter runs out.
absl::StatusOr<std::vector<TensorMarginal>> ExplainMask(const ModelProfile& profile, const std::vector<bool>& trainable,
                                                        const std::vector<double>& importance, WorkMeter& meter);
// The same within a work limit of its own, some seconds.
absl::StatusOr<std::vector<TensorMarginal>> ExplainMask(const ModelProfile& profile, const std::vector<bool>& trainable,
                                                        const std::vector<double>& importance);

// [num_tensors]: the lowest budget among `curve` (plans of Planner::MakeCurve) whose plan trains the tensor.
std::vector<std::optional<int64_t>> EntryBudgets(const std::vector<Plan>& curve, int num_tensors);

// What a plan brings per cost, compared with training everything: its share of all positive importance over its share
// of full_cost. Above 1, training less is worth more per cost than training all. A tensor of a block counts with the
// probability that the block is not dropped. 0 if no tensor that has an op has an importance above 0, or the plan costs
// nothing. importance: [num_tensors].
double ValuePerCost(const ModelProfile& profile, const Plan& plan, const std::vector<double>& importance);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_EXPLANATION_H_
