#include "planner/core/explanation.h"

#include <algorithm>

#include "planner/core/cost.h"

namespace greenplan {

std::vector<TensorMarginal> ExplainMask(const ModelProfile& profile, const std::vector<bool>& trainable,
                                        const std::vector<double>& importance) {
  const MaskCost plan = EvaluateMask(profile, trainable);
  std::vector<TensorMarginal> marginals(trainable.size());
  std::vector<bool> changed = trainable;
  for (size_t k = 0; k < marginals.size(); ++k) {
    TensorMarginal& marginal = marginals[k];
    marginal.trainable = trainable[k];
    marginal.importance = importance[k];
    if (profile.tensors[k].op == kNone) continue;
    changed[k] = !trainable[k];
    const MaskCost other = EvaluateMask(profile, changed);
    changed[k] = trainable[k];
    const int64_t sign = trainable[k] ? -1 : 1;
    marginal.marginal_cost = sign * (other.backward_cost - plan.backward_cost);
    marginal.marginal_saved_bytes = sign * (other.saved_bytes - plan.saved_bytes);
  }
  return marginals;
}

std::vector<std::optional<int64_t>> EntryBudgets(const std::vector<Plan>& curve, int num_tensors) {
  std::vector<std::optional<int64_t>> budgets(num_tensors);
  for (const Plan& plan : curve) {
    for (int k = 0; k < num_tensors; ++k) {
      if (plan.trainable[k]) budgets[k] = std::min(budgets[k].value_or(plan.budget), plan.budget);
    }
  }
  return budgets;
}

}  // namespace greenplan
