#ifndef GREENPLAN_PLANNER_CORE_GRAPH_LIVE_SETS_H_
#define GREENPLAN_PLANNER_CORE_GRAPH_LIVE_SETS_H_

#include <vector>

#include "planner/core/graph/live_set_tree.h"
#include "planner/core/model_profile.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// Enumerates the live sets of a backward graph.
//
// Whatever is selected, the live ops are closed: with an op, all ops between it and the loss are live. Given the live
// set, selecting tensors is a plain knapsack. Backward graphs of real models have few live sets once three things are
// contracted (contraction.h): ops that cost nothing join their parent, an op that serves one tensor alone is added to
// the tensor's cost (or to those of a Bundle of few tensors), and an op that is comparable with all others ends every
// choice above it.
//
// Returns the tree for `profile`. `live` ([num_ops], closed) is live whatever is selected and is paid in nodes[0]. A
// tensor is left out if it has no op or if excluded[k] ([num_tensors]). If the meter runs out of work or memory, the
// part of the graph not yet looked into ends in relaxed nodes; if it is stopped, the tree is one relaxed node below the
// root. What it takes of the meter's memory it has given back when it returns. No recursion. REQUIRES: `profile` is
// valid.
//
//   const LiveSetTree tree = BuildLiveSets(profile, /*live=*/std::vector<bool>(num_ops), excluded, {}, meter);
//   // Every live set that the free tensors can form is a node of the tree, with its cost and its items.
LiveSetTree BuildLiveSets(const ModelProfile& profile, const std::vector<bool>& live, const std::vector<bool>& excluded,
                          const LiveSetOptions& options, WorkMeter& meter);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_GRAPH_LIVE_SETS_H_
