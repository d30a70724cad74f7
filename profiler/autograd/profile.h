#ifndef GREENPLAN_PROFILER_AUTOGRAD_PROFILE_H_
#define GREENPLAN_PROFILER_AUTOGRAD_PROFILE_H_

#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "planner/core/model_profile.h"

namespace greenplan::profiler {

// As torch::nn::Module::named_parameters(): a tied tensor once, under its first name.
using NamedParameters = std::vector<std::pair<std::string, at::Tensor>>;

// The output of a function that may be skipped in backward as a whole, taken from the forward pass that is profiled.
struct MarkedBlock {
  std::string name;
  at::Tensor output;
};

struct ProfileOptions {
  // Names of parameters that will never be trained although they require grad in the forward pass that is profiled:
  // listed without op, and the work that only they would need is left out.
  std::vector<std::string> frozen;
  // Blocks marked by hand. Empty: the residual blocks x + f(x), found in the graph and named after their tensors.
  std::vector<MarkedBlock> blocks;
  // Tensors that exist whether or not backward needs them, such as the batch: left out of saved_bytes, as the
  // parameters are.
  std::vector<at::Tensor> resident;
};

// Reads the cost model of a training step off the autograd graph behind `loss`, in FLOPs. The forward pass must have
// run with every parameter that may ever be trained requiring grad: what does not require grad is not in the graph, so
// its products are missing in forward_cost, and it counts as never trainable. Keeps no reference to the graph and runs
// nothing, but for checkpointed functions (checkpoint.h), once each.
//
//   at::Tensor loss = model.forward(batch);
//   absl::StatusOr<ModelProfile> profile = Profile(loss, {{"fc.weight", weight}, {"fc.bias", bias}});
//
// - forward_cost: the products of the forward operators that made the graph's nodes.
// - ops: nodes that cost something, hold a tensor or join paths; the rest is contracted. Each is labelled with the
//   forward operator and its first tensor. What an op computes for all its inputs at once (fused attention) is its
//   cost, what it computes for one input is that edge's cost.
// - A tensor that is used once hangs on the op that computes its gradient. One that is used several times hangs on an
//   op of cost 0 with one edge for each use.
// - saved_bytes: the storages that nodes keep for backward, each whole and once, whoever shares it; read from the nodes
//   themselves, so they are what the allocator sees. One that several ops keep is an op "saved" of its own, and a
//   tensor whose gradient is one of its reasons then hangs on an op of its own. Not counted: what custom hooks pack
//   away, what operators need beside it while they run, gradients.
//
// Predictions hold for training steps that run the same operators whatever is frozen. One case where LibTorch does not:
// with an attention mask that requires grad, scaled_dot_product_attention falls back from the fused kernel to separate
// products, and returns to the fused one when whatever the mask is made of is frozen.
//
// Thread-safe as long as no other thread changes the graph. Cost: one walk of the graph, about a microsecond a node.
//
// InvalidArgument: the loss does not require grad, no parameter is reached, the graph ends at a tensor that requires
//     grad and is not listed (its gradient would be a cost that no plan can avoid), an option names no parameter.
// Internal: a checkpointed function threw when it was run again.
// Unimplemented: an op that may hide matrix work has no rule, by name; it is never counted as 0 in silence.
absl::StatusOr<ModelProfile> Profile(const at::Tensor& loss, const NamedParameters& parameters,
                                     const ProfileOptions& options = {});

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_PROFILE_H_
