#ifndef GREENPLAN_PROFILER_AUTOGRAD_NODE_COST_H_
#define GREENPLAN_PROFILER_AUTOGRAD_NODE_COST_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

namespace torch::autograd {
struct Node;
}

namespace greenplan::profiler {

// What one node of the autograd graph costs, in FLOPs: 2 per multiply-add of matrix products, convolutions and
// attention products. The rules are in node_cost.cc.
struct NodeCost {
  int64_t forward = 0;                  // What the forward operator that made the node executes.
  int64_t op = 0;                       // What backward executes once if any gradient is needed.
  std::vector<int64_t> per_input = {};  // [up to num_inputs]: what the gradient of input i adds; 0 beyond the end.
};

// Returns the cost of `node`. Shapes are read from the metadata of the node and of the nodes that its edges lead to. If
// an operand does not require grad, its shape is read from what the node saved for backward. A cost that does not fit
// becomes the largest int64. Thread-safe as long as no other thread changes the graph.
//
// Returns
// - UNIMPLEMENTED, naming the node, if it has no rule and is not known to be free (free_ops.h);
// - INVALID_ARGUMENT if a shape is not known: a tensor is nested, or backward has already freed the graph.
absl::StatusOr<NodeCost> CostOfNode(const torch::autograd::Node& node);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_NODE_COST_H_
