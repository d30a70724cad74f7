#ifndef GREENPLAN_PLANNER_CORE_GRAPH_CONTRACTION_H_
#define GREENPLAN_PLANNER_CORE_GRAPH_CONTRACTION_H_

#include <vector>

#include "planner/core/graph/live_set_tree.h"
#include "planner/core/graph/op_graph.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// Returns a smaller graph in which the same tensors can be selected at the same cost. This is what makes the live sets
// of real models few enough to enumerate. Contraction
//
// - drops an edge to a parent that another parent implies,
// - merges an op that costs nothing with its only parent,
// - removes ops that serve no item, and
// - adds the cost of an op that serves one item, or a few, to the cost of those items. Where several tensors share such
//   ops, they become a Bundle that is appended to `bundles`.
//
// Indices of ops change; those of tensors do not. If the meter runs out of work, less is contracted and the result is
// still valid. If its stop function fires, discard the result. The work is O(ops + edges) on graphs whose ops have
// their parents nearby, as those of models, and up to ops * edges on others.
OpGraph Contract(const OpGraph& graph, std::vector<Bundle>& bundles, WorkMeter& meter);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_GRAPH_CONTRACTION_H_
