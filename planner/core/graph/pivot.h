#ifndef GREENPLAN_PLANNER_CORE_GRAPH_PIVOT_H_
#define GREENPLAN_PLANNER_CORE_GRAPH_PIVOT_H_

#include <optional>
#include <vector>

#include "planner/core/graph/op_graph.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// The op on which to split a graph's live sets: either it is dead, and with it all that it reaches, or it is live, and
// with it all that reach it.
struct Pivot {
  std::vector<bool> above;  // [num_ops] The ops that reach it, and itself.
  std::vector<bool> below;  // [num_ops] The ops that it reaches, and itself.
};

// Returns the op that settles most others whichever way it goes, the first of several; nullopt if the meter runs out
// meanwhile. O(ops * edges / 64) time, O(ops^2 / 4) bits of memory. REQUIRES: graph.size() > 0.
std::optional<Pivot> ChoosePivot(const OpGraph& graph, WorkMeter& meter);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_GRAPH_PIVOT_H_
