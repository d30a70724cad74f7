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
  // The op that gets the gradient: an index into ModelProfile::ops, higher than that of the op that holds the edge.
  int op = 0;

  // What producing this gradient costs, in cost_unit. Paid if and only if the op that gets it is live.
  int64_t cost = 0;
};

// One backward op: a node of the autograd graph, such as a matrix product's.
struct Op {
  // A label for people. It need not be unique.
  std::string name = {};

  // What the op pays once if and only if it is live, in cost_unit. Fused attention, whose gradients come all or none,
  // has all its cost here.
  int64_t cost = 0;

  // The gradients that the op passes on. Parallel edges to one op add up.
  std::vector<Edge> inputs = {};

  // The residual block that the op belongs to: an index into ModelProfile::blocks, or kNone.
  int block = kNone;

  // Bytes of activations that are kept from forward if and only if the op is live.
  int64_t saved_bytes = 0;
};

// One parameter tensor of the model.
struct Tensor {
  // The name in named_parameters(). Unique; a tied tensor has its first name.
  std::string name = {};

  // Empty for a scalar.
  std::vector<int64_t> shape = {};

  // The op that the tensor hangs on: an index into ModelProfile::ops. kNone if the loss does not reach the tensor,
  // which then never trains and costs nothing.
  int op = kNone;

  // What its gradient costs, in cost_unit. Paid if and only if the tensor is trainable.
  int64_t weight_grad_cost = 0;

  // Bytes of activations that are kept from forward if and only if the tensor is trainable.
  int64_t saved_bytes = 0;
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
  // A label, such as "opt-125m". May be empty.
  std::string model;
  CostUnit cost_unit = CostUnit::kFlops;

  // The cost of a forward pass, in cost_unit.
  int64_t forward_cost = 0;

  // In topological order from the loss, which is op 0.
  std::vector<Op> ops;

  // In forward order, which is that of named_parameters(). At least one.
  std::vector<Tensor> tensors;

  // Names of the residual blocks that a step may drop. Unique.
  std::vector<std::string> blocks;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_MODEL_PROFILE_H_
