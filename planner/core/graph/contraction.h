#ifndef GREENPLAN_PLANNER_CORE_GRAPH_CONTRACTION_H_
#define GREENPLAN_PLANNER_CORE_GRAPH_CONTRACTION_H_

#include <vector>

#include "planner/core/graph/live_set_tree.h"
#include "planner/core/graph/op_graph.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// Returns a smaller graph in which the same can be selected at the same cost. It drops edges to parents that another
// parent implies, merges ops that cost nothing with their only parent, removes ops that serve nothing, and adds the
// cost of a last op that serves one item or a few to theirs. New bundles are appended to `bundles`.
//
// Once the meter runs out of work, less is contracted. If its stop function fires, discard the result. The work is
// O(ops + edges) on graphs whose ops have their parents nearby, as models do, and up to ops * edges on others.
OpGraph Contract(const OpGraph& graph, std::vector<Bundle>& bundles, WorkMeter& meter);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_GRAPH_CONTRACTION_H_
