#ifndef GREENPLAN_PLANNER_CORE_GRAPH_CONTRACTION_H_
#define GREENPLAN_PLANNER_CORE_GRAPH_CONTRACTION_H_

#include <vector>

#include "planner/core/graph/live_set_tree.h"
#include "planner/core/graph/op_graph.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// Contracts `graph` without changing what can be selected at which cost: parents that others imply are dropped, ops
// that cost nothing join their only parent, ops that serve nothing go, and a last op that serves one item or a few
// becomes part of their cost. New bundles are appended to `bundles`. Once the meter has run out less is contracted; if
// it is stopped what is returned is of no use. O(ops + edges) on graphs whose parents are near; else up to the product.
OpGraph Contract(const OpGraph& graph, std::vector<Bundle>& bundles, WorkMeter& meter);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_GRAPH_CONTRACTION_H_
