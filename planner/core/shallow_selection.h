#ifndef GREENPLAN_PLANNER_CORE_SHALLOW_SELECTION_H_
#define GREENPLAN_PLANNER_CORE_SHALLOW_SELECTION_H_

#include <cstdint>
#include <vector>

#include "planner/core/live_set_search.h"
#include "planner/core/model_profile.h"

namespace greenplan {

// What can be had at once, where a search is stopped before it began: from the loss down, every op made live and every
// tensor worth it selected while the budget lasts. The bound is what all tensors are worth. O(ops + edges + tensors).
//
// live: [num_ops], closed, paid already; values: [num_tensors], see Ranking; budget: for what is not live.
LiveSetResult SelectShallow(const ModelProfile& profile, const std::vector<bool>& live,
                            const std::vector<int64_t>& values, int64_t budget);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_SHALLOW_SELECTION_H_
