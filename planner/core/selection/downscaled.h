#ifndef GREENPLAN_PLANNER_CORE_SELECTION_DOWNSCALED_H_
#define GREENPLAN_PLANNER_CORE_SELECTION_DOWNSCALED_H_

#include <cstdint>
#include <vector>

#include "planner/core/graph/live_set_tree.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// GreenTrainer's selection by dynamic programming over `resolution` cost steps (Huang et al., ICLR 2024, section 3.3),
// put right: costs are rounded up, so that the budget holds; all states are kept; the deepest tensor counts; and it
// runs over the live sets of any graph. For comparison: the exact search is faster and never worse.
//
// best[t] is the highest value of the items met on the way to a live set within t steps. A live set's own cost is
// rounded up once. A step is full_backward_cost / resolution. O(nodes and items * resolution) time, O(depth *
// resolution) memory. values: [num_tensors], tensors of value <= 0 are not selected. Returns the mask; the best so far
// if the meter runs out. REQUIRES: 0 <= the root's cost <= backward_budget.
std::vector<bool> SelectDownscaled(const LiveSetTree& tree, const std::vector<int64_t>& values, int64_t backward_budget,
                                   int64_t full_backward_cost, int resolution, WorkMeter& meter);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_SELECTION_DOWNSCALED_H_
