#ifndef GREENPLAN_PLANNER_CORE_SELECTION_CLOSURE_SEARCH_H_
#define GREENPLAN_PLANNER_CORE_SELECTION_CLOSURE_SEARCH_H_

#include <cstdint>
#include <vector>

#include "planner/core/knapsack/live_set_result.h"
#include "planner/core/model_profile.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// Selects on graphs too entangled to enumerate their live sets. The result is a good selection with a certified bound
// rather than a proved optimum.
//
// At a price per unit of cost, the best live set and its tensors are a closure of maximum weight, which a minimum cut
// finds (Picard 1976; minimum_cut.h). Each price gives an upper bound, and the lowest of them over all prices is the
// bound of the linear relaxation. The closures met on the way are cut down to the budget and filled up again; these are
// the selections tried.
//
// live: [num_ops], closed, already paid for. excluded: [num_tensors]. values: [num_tensors], >= 0, see Ranking. budget:
// for what is not live, in cost_unit. The result's mask holds free tensors only. If the meter runs out, the result is
// what was found by then. Before the first closure that is nothing, or what fills the budget by falling value per cost.
// O(ops + edges + items) memory. Thread-safe.
LiveSetResult SearchClosures(const ModelProfile& profile, const std::vector<bool>& live,
                             const std::vector<bool>& excluded, const std::vector<int64_t>& values, int64_t budget,
                             WorkMeter& meter);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_SELECTION_CLOSURE_SEARCH_H_
