#ifndef GREENPLAN_PLANNER_CORE_SELECTION_BEST_RATIO_H_
#define GREENPLAN_PLANNER_CORE_SELECTION_BEST_RATIO_H_

#include <cstdint>
#include <vector>

#include "planner/core/knapsack/ranking.h"
#include "planner/core/model_profile.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// The selection of the highest value per cost: maximises
//
//   (base.value + value(S)) / (base.cost + cost(S))
//
// over all selections S whose numerator is above 0. Of selections with the same ratio it takes the cheapest. `base` is
// what is paid and gained whatever is selected: the forward pass and the pinned tensors.
//
// Dinkelbach's method (1967): a ratio r is the best one if and only if no selection makes value - r * cost positive.
// Start with the ratio of some selection, find the selection that maximises value - r * cost, continue with its ratio,
// and stop when the maximum is 0. The ratios rise and a handful of steps suffice. There is no budget, so each step is
// easy: within one live set, a tensor is worth taking if and only if its own value exceeds r times its own cost. All
// comparisons are between whole numbers, so the result is exact.
//
// Values are whole numbers as in value_scale.h; the sum of all their magnitudes, that of the base included, is below
// 2^60. Costs are in cost_unit and their sum is at most 2^62. Thread-safe: these are functions of their arguments.

// What counts in every selection's ratio.
struct RatioBase {
  int64_t value = 0;  // May be negative.
  int64_t cost = 0;   // >= 0. Without the ops that the pinned tensors keep live, which the tree's root has.
};

// A selection and what is known about the best ratio.
struct RatioResult {
  std::vector<bool> trainable;  // [num_tensors] The free tensors selected.
  int64_t value = 0;            // With the base.
  int64_t cost = 0;             // With the base and the live set.
  // No selection of positive value has a higher value per cost. A cost of 0 counts as 1.
  double ratio_bound = 0;
  // `trainable` is the optimum, or nothing has a positive value and `value` is at most 0.
  bool is_proved = false;
};

// Searches the live sets of `ranking`. Each step takes O(nodes + items). The result is exact where the tree is
// complete; relaxed nodes count in the bound alone. If the meter runs out, the result is the best selection so far.
RatioResult SearchBestRatio(const Ranking& ranking, int num_tensors, const RatioBase& base, WorkMeter& meter);

// The same for a graph too entangled to enumerate its live sets: each step finds a closure of maximum weight by a
// minimum cut. Continues from `known`, whose selection it improves and whose bound it lowers. Exact, except that of
// selections with the same ratio it may miss the cheapest where base.cost, root_cost and base.value are all 0.
//
// live: [num_ops], closed, paid already; root_cost: what it costs; excluded: [num_tensors]; values: [num_tensors], >=
// 0. O(ops + edges + items) memory.
RatioResult ImproveBestRatioByClosures(const ModelProfile& profile, const std::vector<bool>& live, int64_t root_cost,
                                       const std::vector<bool>& excluded, const std::vector<int64_t>& values,
                                       const RatioBase& base, RatioResult known, WorkMeter& meter);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_SELECTION_BEST_RATIO_H_
