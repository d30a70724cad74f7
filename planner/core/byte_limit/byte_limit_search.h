#ifndef GREENPLAN_PLANNER_CORE_BYTE_LIMIT_BYTE_LIMIT_SEARCH_H_
#define GREENPLAN_PLANNER_CORE_BYTE_LIMIT_BYTE_LIMIT_SEARCH_H_

#include <cstdint>
#include <vector>

#include "planner/core/graph/live_set_tree.h"
#include "planner/core/knapsack/live_set_result.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// The best selection under two limits, cost and saved bytes.
//
// Every live set is bounded by the linear relaxation of its own knapsack with two limits (priced_live_sets.h); the
// prices that give one its bound bound all others too, so that few need prices of their own. At its prices a live set's
// items, taken by value per priced cost, fill both limits: a selection that lacks two items at most. What bounds leave
// open is searched by branch and bound, over the departures from the best choices at the prices; each costs what it
// loses there. The result is proved if that ends within the meter's leave.
//
// `tree` must have been built with use_saved_bytes. values: [num_tensors], see Ranking. REQUIRES: the root's live set
// keeps both limits.
LiveSetResult SearchLiveSetsWithByteLimit(const LiveSetTree& tree, const std::vector<int64_t>& values,
                                          int64_t backward_budget, int64_t max_saved_bytes, WorkMeter& meter);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_BYTE_LIMIT_BYTE_LIMIT_SEARCH_H_
