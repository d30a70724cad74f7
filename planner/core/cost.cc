#include "planner/core/cost.h"

#include <algorithm>

#include "absl/base/macros.h"
#include "planner/core/exact_sum.h"

namespace greenplan {
namespace {

bool IsTrained(const ModelProfile& profile, const std::vector<bool>& trainable, size_t tensor) {
  return trainable[tensor] && profile.tensors[tensor].op != kNone;
}

// [num_ops]: whether an op is live in the graph without the ops for which is_removed(op) holds. A byte each, which is
// quicker to read and write for every edge than a bit is.
template <typename IsRemoved>
std::vector<char> LiveOutsideOf(const ModelProfile& profile, const std::vector<bool>& trainable,
                                const IsRemoved& is_removed) {
  std::vector<char> live(profile.ops.size(), 0);
  for (size_t k = 0; k < profile.tensors.size(); ++k) {
    if (!IsTrained(profile, trainable, k)) continue;
    const int op = profile.tensors[k].op;
    live[op] = is_removed(profile.ops[op]) ? 0 : 1;
  }
  for (size_t j = profile.ops.size(); j-- > 0;) {
    if (is_removed(profile.ops[j])) continue;
    char is_live = live[j];
    for (const Edge& edge : profile.ops[j].inputs) is_live |= live[edge.op];
    live[j] = is_live;
  }
  return live;
}

// Calls add(cost, saved_bytes, block) for each tensor that trains, and for each live op with its edges to live ops.
template <typename Add>
void SumUp(const ModelProfile& profile, const std::vector<bool>& trainable, const Add& add) {
  ABSL_ASSERT(trainable.size() == profile.tensors.size());
  // Whole graphs cost milliseconds to walk, and a search that is stopped prices the empty mask.
  if (std::find(trainable.begin(), trainable.end(), true) == trainable.end()) return;
  std::vector<char> live(profile.ops.size(), 0);
  auto tensor = profile.tensors.begin();
  for (const bool is_selected : trainable) {
    if (is_selected && tensor->op != kNone) {
      live[tensor->op] = 1;
      add(tensor->weight_grad_cost, tensor->saved_bytes, profile.ops[tensor->op].block);
    }
    ++tensor;
  }
  // The targets of an op's edges come after it, so one pass from the last op finds what is live and what that costs.
  for (size_t j = profile.ops.size(); j-- > 0;) {
    const Op& op = profile.ops[j];
    char is_live = live[j];
    int64_t cost = op.cost;
    for (const Edge& edge : op.inputs) {
      is_live |= live[edge.op];
      cost += live[edge.op] ? edge.cost : 0;
    }
    if (!is_live) continue;
    live[j] = 1;
    add(cost, op.saved_bytes, op.block);
  }
}

}  // namespace

std::vector<bool> LiveOps(const ModelProfile& profile, const std::vector<bool>& trainable) {
  ABSL_ASSERT(trainable.size() == profile.tensors.size());
  const std::vector<char> live = LiveOutsideOf(profile, trainable, [](const Op&) { return false; });
  return std::vector<bool>(live.begin(), live.end());
}

MaskCost EvaluateMask(const ModelProfile& profile, const std::vector<bool>& trainable) {
  MaskCost total;
  SumUp(profile, trainable, [&](int64_t cost, int64_t saved_bytes, int /*block*/) {
    total.backward_cost += cost;
    total.saved_bytes += saved_bytes;
  });
  return total;
}

CostByBlock EvaluateMaskByBlock(const ModelProfile& profile, const std::vector<bool>& trainable) {
  CostByBlock costs;
  costs.blocks.assign(profile.blocks.size(), 0);
  SumUp(profile, trainable, [&](int64_t cost, int64_t saved_bytes, int block) {
    costs.total.backward_cost += cost;
    costs.total.saved_bytes += saved_bytes;
    if (block != kNone) costs.blocks[block] += cost;
  });
  return costs;
}

std::vector<bool> FullMask(const ModelProfile& profile) {
  std::vector<bool> mask(profile.tensors.size());
  for (size_t k = 0; k < mask.size(); ++k) mask[k] = profile.tensors[k].op != kNone;
  return mask;
}

std::vector<int64_t> BlockCosts(const ModelProfile& profile, const std::vector<bool>& trainable) {
  return EvaluateMaskByBlock(profile, trainable).blocks;
}

int64_t ExpectedBackwardCost(const ModelProfile& profile, const std::vector<bool>& trainable,
                             const std::vector<double>& drop_rates) {
  ABSL_ASSERT(drop_rates.size() == profile.blocks.size());
  return ExpectedBackwardCost(EvaluateMaskByBlock(profile, trainable), drop_rates);
}

int64_t ExpectedBackwardCost(const CostByBlock& costs, const std::vector<double>& drop_rates) {
  ExactSum skipped;
  for (size_t b = 0; b < costs.blocks.size(); ++b) skipped.AddProduct(drop_rates[b], costs.blocks[b]);
  // ceil(total - skipped) = total - floor(skipped), the total being an integer.
  return costs.total.backward_cost - skipped.Floor();
}

StepCost EvaluateStep(const ModelProfile& profile, const std::vector<bool>& trainable,
                      const std::vector<bool>& dropped) {
  ABSL_ASSERT(dropped.size() == profile.blocks.size());
  const auto is_dropped = [&](const Op& op) { return op.block != kNone && dropped[op.block]; };
  const std::vector<char> live = LiveOutsideOf(profile, trainable, is_dropped);
  StepCost step{.backward_cost = 0, .reached = std::vector<bool>(profile.tensors.size(), false)};
  std::vector<bool> runs(profile.ops.size(), false);
  if (!runs.empty()) runs[0] = live[0] != 0;
  for (size_t j = 0; j < runs.size(); ++j) {
    if (!runs[j]) continue;
    step.backward_cost += profile.ops[j].cost;
    for (const Edge& edge : profile.ops[j].inputs) {
      if (!live[edge.op]) continue;
      step.backward_cost += edge.cost;
      runs[edge.op] = true;
    }
  }
  for (size_t k = 0; k < profile.tensors.size(); ++k) {
    if (!IsTrained(profile, trainable, k) || !runs[profile.tensors[k].op]) continue;
    step.backward_cost += profile.tensors[k].weight_grad_cost;
    step.reached[k] = true;
  }
  return step;
}

}  // namespace greenplan
