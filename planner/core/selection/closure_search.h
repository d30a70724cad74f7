#ifndef GREENPLAN_PLANNER_CORE_SELECTION_CLOSURE_SEARCH_H_
#define GREENPLAN_PLANNER_CORE_SELECTION_CLOSURE_SEARCH_H_

#include <cstdint>
#include <vector>

#include "planner/core/knapsack/live_set_result.h"
#include "planner/core/model_profile.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// Selection on graphs too entangled to enumerate their live sets: a good selection and a certified bound.
//
// At a price of cost, the best live set and its tensors are a closure of maximum weight, which a minimum cut finds
// (Picard 1976). Each price gives an upper bound; the least of them over all prices is that of the linear relaxation.
// The closures met on the way, cut down to the budget and filled up again, are the selections tried.
//
// live: [num_ops], closed, paid already; excluded: [num_tensors]; values: [num_tensors], >= 0, see Ranking; budget: for
// what is not live. The result's trainable is a mask of free tensors. If the meter runs out,
// the result is what was found by then; before the first closure nothing, or what fills the budget by falling value per
// cost. O(ops + edges + items) memory.
LiveSetResult SearchClosures(const ModelProfile& profile, const std::vector<bool>& live,
                             const std::vector<bool>& excluded, const std::vector<int64_t>& values, int64_t budget,
                             WorkMeter& meter);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_SELECTION_CLOSURE_SEARCH_H_
