#ifndef GREENPLAN_PROFILER_AUTOGRAD_GRAPH_WALK_H_
#define GREENPLAN_PROFILER_AUTOGRAD_GRAPH_WALK_H_

#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "profiler/autograd/node_cost.h"
#include "torch/csrc/autograd/function.h"

namespace greenplan::profiler {

// One node of the autograd graph behind a loss.
struct GraphNode {
  // Where the gradient of one input goes: an index into AutogradGraph::nodes.
  struct Target {
    int input = 0;
    int node = 0;
  };

  torch::autograd::Node* node = nullptr;
  NodeCost cost;
  std::vector<Target> targets;
  bool recomputed = false;  // Within a checkpoint: made again in backward, keeps nothing from forward.
};

// The graph in the order in which the engine would run it. A checkpoint (checkpoint.h) is followed by the graph of its
// function: the checkpoint's op pays for running it again and its one target is the function's last node.
struct AutogradGraph {
  std::vector<GraphNode> nodes;
  absl::flat_hash_map<const torch::autograd::Node*, int> index_of;
  std::vector<c10::intrusive_ptr<torch::autograd::Node>> recomputed_roots;  // Keeps the nodes within checkpoints alive.
};

// Checkpointed functions are run once more, one at a time. The errors of CostOfNode; Internal if such a function
// throws.
absl::StatusOr<AutogradGraph> WalkGraph(torch::autograd::Node& loss);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_GRAPH_WALK_H_
