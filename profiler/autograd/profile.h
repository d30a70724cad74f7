#ifndef GREENPLAN_PROFILER_AUTOGRAD_PROFILE_H_
#define GREENPLAN_PROFILER_AUTOGRAD_PROFILE_H_

#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "planner/core/model_profile.h"

namespace greenplan::profiler {

// Names and parameter tensors in forward order, as torch::nn::Module::named_parameters() returns them. A tied tensor
// appears once, under its first name.
using NamedParameters = std::vector<std::pair<std::string, at::Tensor>>;

// A block marked by hand. `output` is the output of a function that backward may skip as a whole. It must come from the
// forward pass that is profiled.
struct MarkedBlock {
  std::string name;
  at::Tensor output;
};

// Every field may be left empty.
struct ProfileOptions {
  // The names of parameters that are never trained although they require grad in the forward pass that is profiled.
  // They are listed in the profile without an op, and the work that only they would need is left out.
  std::vector<std::string> frozen;
  // The blocks that may be dropped. If empty, the residual blocks x + f(x) are found in the graph and named after their
  // tensors (residual_blocks.h).
  std::vector<MarkedBlock> blocks;
  // Tensors that exist whether or not backward needs them, such as the batch. They do not count in saved_bytes.
  // Parameters never do.
  std::vector<at::Tensor> resident;
  // The names of parameters that are trained in every step, except in those that drop their block. They settle which
  // operators LibTorch runs (below).
  std::vector<std::string> always = {};
  // The names of the blocks that steps may drop. Those that are no block's are ignored.
  std::vector<std::string> dropped = {};
};

// Returns the cost model of a training step, in FLOPs, read from the autograd graph behind `loss`.
//
//   at::Tensor loss = model.forward(batch);
//   absl::StatusOr<ModelProfile> profile = Profile(loss, {{"fc.weight", weight}, {"fc.bias", bias}});
//
// Every parameter that may ever be trained must require grad when the forward pass runs. An operator of which no
// operand requires grad leaves no node in the graph: its products are missing in forward_cost. A parameter that the
// graph does not reach counts as never trainable. Profile() runs nothing, except that it runs each checkpointed
// function (checkpoint.h) once, and it keeps no reference to the graph.
//
// The profile holds:
// - forward_cost: the products of the forward operators that made the graph's nodes.
// - ops: the nodes that cost something, hold a tensor or join paths. All other nodes are contracted (contraction.h). An
//   op is named after its forward operator and its first tensor. What an op computes for all its inputs at once, as
//   fused attention does, is the op's cost. What it computes for one input is the cost of that edge.
// - tensors: [num_parameters], as `parameters`, without repetitions of a tied tensor. A tensor that is used once hangs
//   on the op that computes its gradient. A tensor that is used several times hangs on an op of cost 0, with one edge
//   for each use.
// - saved_bytes: the storages that nodes keep from forward until backward. Each counts once and in full, however many
//   nodes share it, so the sum is what the allocator measures. A storage that several ops keep becomes an op "saved" of
//   its own, and if it is kept for a tensor's gradient, that tensor hangs on an op of its own, too. What custom hooks
//   pack away, what operators allocate while they run, and gradients do not count.
//
// Predictions hold for training steps that run the same operators whatever is frozen. LibTorch breaks this in three
// cases (kernel_choice.h): for example, if an attention mask requires grad, scaled_dot_product_attention runs separate
// products, and it returns to the fused kernel once everything that the mask is computed from is frozen. Such a graph
// is refused, unless a tensor among options.always settles which operator runs.
//
// Thread-safe as long as no other thread changes the graph. Takes one walk of the graph, about a microsecond per node.
//
// Returns
// - INVALID_ARGUMENT if the loss does not require grad; if no parameter is reached; if a parameter is undefined, is no
//   leaf or shares its name with another; if an option names no parameter or a block whose output does not lead to the
//   loss; if the graph reaches a tensor that requires grad and is not listed, because the cost of its gradient is one
//   that no plan could avoid; if a shape is not known; if all costs together exceed 2^62;
// - UNIMPLEMENTED, naming the node, if an op may hide matrix products and has no rule, because it must not count as 0;
//   naming tensors, if LibTorch would run another operator if these were frozen;
// - INTERNAL if a checkpointed function throws when it is run again.
absl::StatusOr<ModelProfile> Profile(const at::Tensor& loss, const NamedParameters& parameters,
                                     const ProfileOptions& options = {});

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_PROFILE_H_
