#ifndef GREENPLAN_PLANNER_CORE_GRAPH_PIVOT_H_
#define GREENPLAN_PLANNER_CORE_GRAPH_PIVOT_H_

#include <optional>
#include <vector>

#include "planner/core/graph/op_graph.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// The op on which the live sets of a graph are split in two. Either the op is dead, and with it every op that it
// reaches, or it is live, and with it every op that reaches it.
struct Pivot {
  std::vector<bool> above;  // [num_ops] The ops that reach it, and itself.
  std::vector<bool> below;  // [num_ops] The ops that it reaches, and itself.
};

// Returns the op that settles the most other ops in whichever of the two cases settles fewer; the first if several do.
// Returns nullopt if the meter runs out. O(ops * edges / 64) time and O(ops^2 / 4) bits of memory. REQUIRES:
// graph.size() > 0.
std::optional<Pivot> ChoosePivot(const OpGraph& graph, WorkMeter& meter);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_GRAPH_PIVOT_H_
