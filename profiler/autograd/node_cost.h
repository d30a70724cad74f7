#ifndef GREENPLAN_PROFILER_AUTOGRAD_NODE_COST_H_
#define GREENPLAN_PROFILER_AUTOGRAD_NODE_COST_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

namespace torch::autograd {
struct Node;
}

namespace greenplan::profiler {

// What one node of the autograd graph executes, in FLOPs (2 per multiply-add of matrix products, convolutions and
// attention products; see rules in node_cost.cc).
struct NodeCost {
  int64_t forward = 0;                  // By the forward operator that made the node.
  int64_t op = 0;                       // In backward, once if any gradient is asked for.
  std::vector<int64_t> per_input = {};  // In backward, for the gradient of input i. Beyond its end: 0.
};

// Shapes are taken from the metadata of the node and of those its edges lead to; of an operand that does not require
// grad, from what the node saved for backward. Costs saturate at the largest int64.
//
// Unimplemented: the node has no rule and is not known to be free (free_ops.h), by name.
// InvalidArgument: a shape cannot be told (a nested tensor, a graph already freed by backward).
absl::StatusOr<NodeCost> CostOfNode(const torch::autograd::Node& node);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_NODE_COST_H_
