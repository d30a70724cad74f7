#ifndef GREENPLAN_PLANNER_CORE_SELECTION_DOWNSCALED_H_
#define GREENPLAN_PLANNER_CORE_SELECTION_DOWNSCALED_H_

#include <cstdint>
#include <vector>

#include "planner/core/graph/live_set_tree.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// GreenTrainer's selection by dynamic programming over `resolution` cost steps (Huang et al., ICLR 2024, section 3.3),
// with its errors corrected: costs are rounded up, so that the budget holds; all states are kept; the deepest tensor
// counts; and it runs over the live sets of any graph. It is here for comparison: the exact search is faster and never
// worse.
//
// A row holds, for each number of steps t, the highest value that the items met on the way to a live set reach within t
// steps. A live set's own cost is rounded up once. One step is full_backward_cost / resolution. values: [num_tensors];
// tensors of value <= 0 are not selected. REQUIRES: 0 <= the root's cost <= backward_budget.
//
// Returns the mask, [num_tensors]. If the meter runs out of work or memory, it is the mask of the best live set so far,
// or empty if that mask can no longer be traced back.
//
// O((nodes + items) * resolution) time. Memory: a row of 8 * resolution bytes for each node on the current path that
// has children still to come. Tracing the chosen live set back takes another row for each `segment_bytes` of picks,
// because a table of all picks would take gigabytes.
std::vector<bool> SelectDownscaled(const LiveSetTree& tree, const std::vector<int64_t>& values, int64_t backward_budget,
                                   int64_t full_backward_cost, int resolution, WorkMeter& meter,
                                   int64_t segment_bytes = int64_t{32} << 20);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_SELECTION_DOWNSCALED_H_
