#ifndef GREENPLAN_PLANNER_CORE_BYTE_LIMIT_SEARCH_H_
#define GREENPLAN_PLANNER_CORE_BYTE_LIMIT_SEARCH_H_

#include <cstdint>
#include <vector>

#include "planner/core/live_set_search.h"
#include "planner/core/live_sets.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// The best selection under two limits, cost and saved bytes.
//
// Puts a price on saved bytes that makes the best selection without the second limit keep about max_saved_bytes: every
// price gives an upper bound (Lagrangian duality). What the bound leaves open is searched by branch and bound, live set
// by live set, over the departures from the best choice at the prices of cost and bytes; each costs what it loses
// there. The result is proved if that ends within the meter's leave. `tree` must have been built with use_saved_bytes.
// values: [num_tensors], see Ranking. REQUIRES: the root's live set keeps both limits.
LiveSetResult SearchLiveSetsWithByteLimit(const LiveSetTree& tree, const std::vector<int64_t>& values,
                                          int64_t backward_budget, int64_t max_saved_bytes, WorkMeter& meter);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_BYTE_LIMIT_SEARCH_H_
