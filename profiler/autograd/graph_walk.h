#ifndef GREENPLAN_PROFILER_AUTOGRAD_GRAPH_WALK_H_
#define GREENPLAN_PROFILER_AUTOGRAD_GRAPH_WALK_H_

#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "profiler/autograd/node_cost.h"
#include "profiler/autograd/node_pointer.h"
#include "torch/csrc/autograd/function.h"

namespace greenplan::profiler {

// One node of the autograd graph behind a loss.
struct GraphNode {
  // Where the gradient of one forward input goes.
  struct Target {
    int input = 0;  // The index of the input, which is the index of the node's edge.
    int node = 0;   // An index into AutogradGraph::nodes.
  };

  torch::autograd::Node* node = nullptr;
  NodeCost cost;                // 0 for a leaf (AccumulateGrad).
  std::vector<Target> targets;  // By input. Inputs that receive no gradient are missing.
  bool recomputed = false;      // The node is within a checkpoint: backward makes it again, and it saves nothing.
  bool normalizes_channels_last = false;  // NormalizesChannelsLastImages() (channels_last_norm.h).
};

// The graph behind a loss, in the order in which the engine runs it: the loss first, every node before its targets.
//
// A checkpoint (checkpoint.h) is followed by the graph of its function. The cost of running the function again is on
// the checkpoint's node, and its one target is the node of the function's output. Where the function uses one of its
// inputs, the graph continues with the node that the checkpoint's own edge leads to.
struct AutogradGraph {
  std::vector<GraphNode> nodes;
  absl::flat_hash_map<const torch::autograd::Node*, int> index_of;  // From a node to its index in `nodes`.
  std::vector<NodePointer> recomputed_roots;                        // Keep the nodes within checkpoints alive.
};

// Returns the graph behind the node `loss`. Runs no node, but runs each checkpointed function once more, one at a time.
// The nodes outside checkpoints belong to the loss and are valid as long as its graph is.
//
// Returns the errors of CostOfNode() (node_cost.h), and INTERNAL if a checkpointed function throws. Thread-safe as long
// as no other thread changes the graph.
absl::StatusOr<AutogradGraph> WalkGraph(torch::autograd::Node& loss);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_GRAPH_WALK_H_
