#ifndef GREENPLAN_PLANNER_CORE_COST_H_
#define GREENPLAN_PLANNER_CORE_COST_H_

#include <cstdint>
#include <vector>

#include "planner/core/model_profile.h"

namespace greenplan {

// The exact cost of a set of trainable tensors, by the definition above ModelProfile and by no solver's code: this is
// what every plan is held against. Pure functions, thread-safe, O(ops + edges + tensors).

struct MaskCost {
  int64_t backward_cost = 0;  // In the profile's cost unit.
  int64_t saved_bytes = 0;
};

// [num_ops]: whether each op is live. REQUIRES: trainable is [num_tensors]. A tensor without an op counts as not
// trainable, here and below.
std::vector<bool> LiveOps(const ModelProfile& profile, const std::vector<bool>& trainable);

MaskCost EvaluateMask(const ModelProfile& profile, const std::vector<bool>& trainable);

// [num_tensors]: every tensor that has an op. "Full" fine-tuning trains exactly these.
std::vector<bool> FullMask(const ModelProfile& profile);

// [num_blocks]: cost_b(S), the live ops of block b + their edges to live ops + the weight gradients of the selected
// tensors on them.
std::vector<int64_t> BlockCosts(const ModelProfile& profile, const std::vector<bool>& trainable);

// The expected backward cost when block b is skipped with probability drop_rates[b] ([num_blocks], each in [0, 1]):
// sum of (1 - p_b) * cost_b(S) + the rest, rounded up. Exact for the rates' doubles.
int64_t ExpectedBackwardCost(const ModelProfile& profile, const std::vector<bool>& trainable,
                             const std::vector<double>& drop_rates);

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
