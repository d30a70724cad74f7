#include "planner/core/joint/joint_rates.h"

#include <utility>

#include "absl/status/statusor.h"
#include "planner/core/cost.h"

namespace greenplan {

std::optional<DropRateProblem> RatesForMask(const ModelProfile& profile, const JointProblem& problem,
                                            const std::vector<bool>& mask) {
  const CostByBlock cost = EvaluateMaskByBlock(profile, mask);
  if (cost.total.saved_bytes > problem.selection.max_saved_bytes.value_or(cost.total.saved_bytes)) {
    return std::nullopt;
  }
  DropRateProblem rates;
  rates.block_costs.assign(problem.min_rates.size(), 0);
  for (int b = 0; b < static_cast<int>(cost.blocks.size()); ++b) {
    rates.block_costs[GroupOf(problem, b)] += cost.blocks[b];
  }
  rates.min_rates = problem.min_rates;
  rates.max_rates = problem.max_rates;
  rates.required_skip = cost.total.backward_cost - problem.selection.backward_budget;
  rates.linear.assign(rates.block_costs.size(), 0.0);
  for (double s : problem.sensitivity) rates.quadratic.push_back(problem.mu * s);
  for (size_t k = 0; k < mask.size(); ++k) {
    const int group = GroupOf(profile, problem, profile.tensors[k]);
    if (mask[k] && group != kNone) rates.linear[group] += (*problem.selection.importance)[k];
  }
  return rates;
}

std::optional<std::vector<double>> BestRatesForMask(const ModelProfile& profile, const JointProblem& problem,
                                                    const std::vector<bool>& mask, WorkMeter& meter) {
  const std::optional<DropRateProblem> rates = RatesForMask(profile, problem, mask);
  if (!rates) return std::nullopt;
  absl::StatusOr<DropRates> best = OptimalDropRatesWithoutBound(*rates, meter);
  if (!best.ok()) return std::nullopt;
  return std::move(best->rates);
}

double JointValue(const ModelProfile& profile, const JointProblem& problem, const std::vector<bool>& trainable,
                  const std::vector<double>& drop_rates) {
  double value = 0;
  for (size_t k = 0; k < trainable.size(); ++k) {
    if (!trainable[k]) continue;
    const int group = GroupOf(profile, problem, profile.tensors[k]);
    value += (group == kNone ? 1.0 : 1.0 - drop_rates[group]) * (*problem.selection.importance)[k];
  }
  double harm = 0;
  for (size_t g = 0; g < drop_rates.size(); ++g) harm += problem.sensitivity[g] * drop_rates[g] * drop_rates[g];
  return value - problem.mu * harm;
}

}  // namespace greenplan
