#include "trainer_client/session/plan_drift.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace greenplan::trainer {
namespace {

// [num_tensors]: how often a plan trains each tensor.
std::vector<double> TrainedShares(const ModelProfile& profile, const Plan& plan) {
  std::vector<double> shares(profile.tensors.size(), 0.0);
  for (size_t k = 0; k < shares.size(); ++k) {
    if (!plan.trainable[k]) continue;
    const int block = profile.ops[profile.tensors[k].op].block;
    shares[k] = block == kNone || plan.drop_rates.empty() ? 1 : 1 - plan.drop_rates[block];
  }
  return shares;
}

}  // namespace

std::optional<double> PlanDrift(const ModelProfile& profile, const v1::ImportanceReport& report, const Plan& before,
                                const Plan& after) {
  const std::vector<double> shares_before = TrainedShares(profile, before),
                            shares_after = TrainedShares(profile, after);
  double value = 0, missed = 0, variance = 0;
  for (size_t k = 0; k < shares_after.size(); ++k) {
    const int tensor = static_cast<int>(k);
    const double difference = shares_after[k] - shares_before[k];
    value += shares_after[k] * report.importance(tensor);
    missed += difference * report.importance(tensor);
    if (tensor < report.standard_error_size()) variance += std::pow(difference * report.standard_error(tensor), 2);
  }
  if (!(value > 0)) return std::nullopt;
  return std::clamp((missed - std::sqrt(variance)) / value, 0.0, 1.0);
}

}  // namespace greenplan::trainer
