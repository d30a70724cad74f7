#ifndef GREENPLAN_PLANNER_CORE_TESTING_TREE_ENUMERATION_H_
#define GREENPLAN_PLANNER_CORE_TESTING_TREE_ENUMERATION_H_

#include <cstdint>
#include <vector>

#include "planner/core/graph/live_set_tree.h"

namespace greenplan {

// For tests: the best value over all ways to select from what live set `node` offers within both rooms, by trying them
// all; hugely negative if a room is. values: [num_tensors].
int64_t BestOfLiveSet(const LiveSetTree& tree, const std::vector<int64_t>& values, int node, int64_t cost_room,
                      int64_t byte_room);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_TESTING_TREE_ENUMERATION_H_
