#ifndef GREENPLAN_PLANNER_CORE_MODEL_PROFILE_H_
#define GREENPLAN_PLANNER_CORE_MODEL_PROFILE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace greenplan {

// What one unit of cost is. Every cost of a profile has the same unit.
enum class CostUnit { kFlops, kNanoseconds, kMicrojoules };

// Stands for an index that is absent, such as the block of an op outside all blocks, or the op of a tensor that the
// loss does not reach.
inline constexpr int kNone = -1;

// The gradient that one op passes to another.
struct Edge {
  int op = 0;        // Index into ModelProfile::ops, higher than the index of the op that holds the edge.
  int64_t cost = 0;  // Paid iff the target op is live, in cost_unit.
};

// One backward op: a node of the autograd graph, such as a matrix product's.
struct Op {
  std::string name = {};          // A label for people.
  int64_t cost = 0;               // Paid once iff the op is live, in cost_unit.
  std::vector<Edge> inputs = {};  // Parallel edges add.
  int block = kNone;              // Index into ModelProfile::blocks.
  int64_t saved_bytes = 0;        // Activations kept from forward iff the op is live.
};

// One parameter tensor of the model.
struct Tensor {
  std::string name = {};
  std::vector<int64_t> shape = {};  // Empty for a scalar.
  int op = kNone;                   // Index into ModelProfile::ops; kNone: never trainable, costs nothing.
  int64_t weight_grad_cost = 0;     // Paid iff the tensor is trainable, in cost_unit.
  int64_t saved_bytes = 0;          // Activations kept from forward iff the tensor is trainable.
};

// The cost model of one training step: forward, and backward as a directed acyclic graph of ops. Op 0 is the loss and
// reaches every op; the gradient flows along edges towards the inputs, and every edge goes to a higher index.
// An op is live iff a trainable tensor hangs on it or on an op reachable from it. For a set S of trainable tensors
//
//   cost(S) = sum of weight_grad_cost over S + sum of cost over live ops + sum of cost over edges with a live target,
//
// which is what an autograd engine executes. Every cost is >= 0, and forward_cost and the costs of all ops, edges and
// tensors, live or not, sum to at most 2^62; so do all saved_bytes.
// A plain value; whoever builds one from outside data checks it with ValidateModelProfile (planner/convert).
struct ModelProfile {
  std::string model;
  CostUnit cost_unit = CostUnit::kFlops;
  int64_t forward_cost = 0;
  std::vector<Op> ops;
  std::vector<Tensor> tensors;      // In forward order, as named_parameters().
  std::vector<std::string> blocks;  // Names of the residual blocks that may be dropped.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_MODEL_PROFILE_H_
