#include "planner/core/testing/subsets.h"

#include "planner/core/cost.h"

namespace greenplan {

int64_t ValueOf(const std::vector<int64_t>& values, const std::vector<bool>& mask) {
  int64_t sum = 0;
  for (size_t k = 0; k < mask.size(); ++k) sum += mask[k] ? values[k] : 0;
  return sum;
}

int64_t BestOfAllSubsets(const ModelProfile& profile, const std::vector<int64_t>& values, int64_t backward_budget,
                         int64_t max_saved_bytes) {
  int64_t best = 0;
  std::vector<bool> mask(values.size());
  for (uint32_t subset = 0; subset < (uint32_t{1} << values.size()); ++subset) {
    for (size_t k = 0; k < mask.size(); ++k) mask[k] = (subset >> k) & 1;
    const int64_t value = ValueOf(values, mask);
    if (value <= best) continue;
    const MaskCost cost = EvaluateMask(profile, mask);
    if (cost.backward_cost <= backward_budget && cost.saved_bytes <= max_saved_bytes) best = value;
  }
  return best;
}

}  // namespace greenplan
