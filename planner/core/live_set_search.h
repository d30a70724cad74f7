#ifndef GREENPLAN_PLANNER_CORE_LIVE_SET_SEARCH_H_
#define GREENPLAN_PLANNER_CORE_LIVE_SET_SEARCH_H_

#include <cstdint>
#include <vector>

#include "planner/core/core_search.h"
#include "planner/core/ranking.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// The best selection over all live sets of a tree, in the ranking's whole values.
struct LiveSetResult {
  int64_t value = 0;
  int64_t upper_bound = 0;      // >= value; equal if proved.
  std::vector<bool> trainable;  // [num_tensors]
};

// Sweeps the tree once for the linear bound of every live set, then searches those whose bound exceeds the best
// selection known, best bound first. REQUIRES: backward_budget >= the cost of the root's live set.
LiveSetResult SearchLiveSets(const Ranking& ranking, int num_tensors, int64_t backward_budget, WorkMeter& meter);

// The linear bound on the best selection over all live sets. The same requirement.
int64_t BoundLiveSets(const Ranking& ranking, int64_t backward_budget);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_LIVE_SET_SEARCH_H_
