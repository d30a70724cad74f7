#ifndef GREENPLAN_PLANNER_CORE_COST_H_
#define GREENPLAN_PLANNER_CORE_COST_H_

#include <cstdint>
#include <vector>

#include "planner/core/model_profile.h"

namespace greenplan {

// The exact cost of a set of trainable tensors, by the definition above ModelProfile and by no solver's code: this is
// what every plan is held against. Pure functions, thread-safe, O(ops + edges + tensors).

// What a set of trainable tensors takes in one step.
//
//   const MaskCost full = EvaluateMask(profile, FullMask(profile));
//   const MaskCost of_plan = EvaluateMask(profile, plan.trainable);  // of_plan.backward_cost <= full.backward_cost
struct MaskCost {
  int64_t backward_cost = 0;  // In the profile's cost unit.
  int64_t saved_bytes = 0;
};

// Returns whether each op is live, [num_ops]. An op is live if a trainable tensor hangs on it or on an op that it
// reaches. Here and below, `trainable` is [num_tensors], and a tensor without an op counts as one that does not train.
std::vector<bool> LiveOps(const ModelProfile& profile, const std::vector<bool>& trainable);

// Returns the backward cost and the saved bytes of the tensors in `trainable` ([num_tensors]), together with those of
// the ops that they keep live. The cost of the forward pass is not included.
MaskCost EvaluateMask(const ModelProfile& profile, const std::vector<bool>& trainable);

// Returns the mask ([num_tensors]) of every tensor that has an op. "Full" fine-tuning trains exactly these.
std::vector<bool> FullMask(const ModelProfile& profile);

// The cost of a mask, and how much of it lies in each block.
struct CostByBlock {
  MaskCost total;
  std::vector<int64_t> blocks;  // [num_blocks], see BlockCosts.
};
// Returns both in one pass, where EvaluateMask and BlockCosts would take two.
CostByBlock EvaluateMaskByBlock(const ModelProfile& profile, const std::vector<bool>& trainable);

// Returns cost_b(S) of each block b for the set S of trainable tensors, [num_blocks]: the costs of the block's live
// ops, of the edges from them to live ops, and of the weight gradients of the selected tensors that hang on them. This
// is what a step saves at least when it drops the block.
std::vector<int64_t> BlockCosts(const ModelProfile& profile, const std::vector<bool>& trainable);

// Returns the expected backward cost when block b is skipped with probability p_b = drop_rates[b] ([num_blocks], each
// in [0, 1]): the sum over blocks of (1 - p_b) * cost_b(S), plus the cost of what lies outside all blocks. The sum is
// computed exactly from the doubles given and then rounded up once. Where an op is reached only through blocks, the
// true expectation is lower, never higher.
int64_t ExpectedBackwardCost(const ModelProfile& profile, const std::vector<bool>& trainable,
                             const std::vector<double>& drop_rates);
// The same for a mask whose costs EvaluateMaskByBlock has returned. O(num_blocks).
int64_t ExpectedBackwardCost(const CostByBlock& costs, const std::vector<double>& drop_rates);

// What one step executes once its dropped blocks are drawn.
struct StepCost {
  int64_t backward_cost = 0;  // In the profile's cost unit.
  std::vector<bool> reached;  // [num_tensors]: the tensors of the mask that receive a gradient.
};

// Returns what a step executes that trains `trainable` ([num_tensors]) and skips the blocks of `dropped`
// ([num_blocks]). An op does not run if it belongs to a dropped block, if the gradient reaches it only through dropped
// blocks, or if only tensors of dropped blocks are reachable from it. The mean of the cost over draws is at most
// ExpectedBackwardCost.
StepCost EvaluateStep(const ModelProfile& profile, const std::vector<bool>& trainable,
                      const std::vector<bool>& dropped);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_COST_H_
