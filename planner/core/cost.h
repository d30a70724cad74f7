#ifndef GREENPLAN_PLANNER_CORE_COST_H_
#define GREENPLAN_PLANNER_CORE_COST_H_

#include <cstdint>
#include <vector>

#include "planner/core/model_profile.h"

namespace greenplan {

// The exact cost of a set of trainable tensors, by the definition above ModelProfile and by no solver's code: this is
// what every plan is held against. Pure functions, thread-safe, O(ops + edges + tensors).

// What a set of trainable tensors takes in one step.
struct MaskCost {
  int64_t backward_cost = 0;  // In the profile's cost unit.
  int64_t saved_bytes = 0;
};

// Returns whether each op is live, [num_ops]. `trainable` is [num_tensors], here and below. A tensor without an op
// counts as one that does not train.
std::vector<bool> LiveOps(const ModelProfile& profile, const std::vector<bool>& trainable);

// Returns the cost and the saved bytes of the tensors in `trainable` ([num_tensors]), with the ops that they keep live.
MaskCost EvaluateMask(const ModelProfile& profile, const std::vector<bool>& trainable);

// Returns the mask ([num_tensors]) of every tensor that has an op. "Full" fine-tuning trains exactly these.
std::vector<bool> FullMask(const ModelProfile& profile);

// The cost of a mask, and how much of it lies in blocks. One pass where EvaluateMask and BlockCosts would take two.
struct CostByBlock {
  MaskCost total;
  std::vector<int64_t> blocks;  // [num_blocks], see BlockCosts.
};
CostByBlock EvaluateMaskByBlock(const ModelProfile& profile, const std::vector<bool>& trainable);

// Returns cost_b(S) of each block, [num_blocks]: its live ops, their edges to live ops, and the weight gradients of the
// selected tensors on them.
std::vector<int64_t> BlockCosts(const ModelProfile& profile, const std::vector<bool>& trainable);

// Returns the expected backward cost when block b is skipped with probability p_b = drop_rates[b] ([num_blocks], each
// in [0, 1]): the sum of (1 - p_b) * cost_b(S), and what lies outside blocks. It is exact for the rates' doubles and
// rounded up once.
int64_t ExpectedBackwardCost(const ModelProfile& profile, const std::vector<bool>& trainable,
                             const std::vector<double>& drop_rates);
// The same for a mask whose costs are known.
int64_t ExpectedBackwardCost(const CostByBlock& costs, const std::vector<double>& drop_rates);

// What one step executes.
struct StepCost {
  int64_t backward_cost = 0;  // In the profile's cost unit.
  std::vector<bool> reached;  // [num_tensors]: the tensors of the mask that receive a gradient.
};

// What a step executes that trains `trainable` ([num_tensors]) and skips the blocks of `dropped` ([num_blocks]): no op
// of a dropped block runs, and neither does an op that the gradient reaches only through dropped blocks or from which
// only tensors of dropped blocks are reachable. Its mean over draws is at most ExpectedBackwardCost.
StepCost EvaluateStep(const ModelProfile& profile, const std::vector<bool>& trainable,
                      const std::vector<bool>& dropped);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_COST_H_
