#ifndef GREENPLAN_PLANNER_CORE_BYTE_LIMIT_BYTE_LIMIT_SEARCH_H_
#define GREENPLAN_PLANNER_CORE_BYTE_LIMIT_BYTE_LIMIT_SEARCH_H_

#include <cstdint>
#include <vector>

#include "planner/core/graph/live_set_tree.h"
#include "planner/core/knapsack/live_set_result.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// Finds the best selection under two limits: backward cost and saved bytes.
//
// The search runs in three steps.
//
// 1. Bounds. The linear relaxation of a live set's own knapsack gives a bound for that live set, together with prices
// for the two limits (priced_live_sets.h). The same prices also give a bound for every other live set, so only few live
// sets need prices of their own.
//
// 2. A first selection. At its own prices, a live set's items are taken by falling value per priced cost until both
// limits are full. Such a selection lacks at most two items of the relaxation's optimum.
//
// 3. Branch and bound in the live sets that are still open (departures.h).
//
// Returns the best selection found, with a bound that no selection exceeds. The selection is proved optimal (value ==
// upper_bound) if the search ends before the meter runs out of work. If the meter's stop function fires, the result is
// the best selection until then, and the bound still holds.
//
// backward_budget is in cost_unit, max_saved_bytes in bytes; both limit the whole live set, the root included. values:
// [num_tensors], see Ranking; tensors of value <= 0 are not selected.
//
// REQUIRES: `tree` was built with LiveSetOptions::use_saved_bytes, and the root's live set keeps both limits.
LiveSetResult SearchLiveSetsWithByteLimit(const LiveSetTree& tree, const std::vector<int64_t>& values,
                                          int64_t backward_budget, int64_t max_saved_bytes, WorkMeter& meter);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_BYTE_LIMIT_BYTE_LIMIT_SEARCH_H_
