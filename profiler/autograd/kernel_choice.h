#ifndef GREENPLAN_PROFILER_AUTOGRAD_KERNEL_CHOICE_H_
#define GREENPLAN_PROFILER_AUTOGRAD_KERNEL_CHOICE_H_

#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "profiler/autograd/profile.h"

namespace greenplan::profiler {

// Refuses a graph in which LibTorch would run other operators, at another price, or crash, if something were frozen.
// Three operators look at what requires grad to choose how to compute:
// - scaled_dot_product_attention runs separate products if its mask requires grad, and a fused kernel if not;
// - matmul of a batch of transposed matrices with a vector runs another product if the vector requires grad;
// - the CPU kernel of group_norm for channels-last images crashes if the images do not require grad and its scale or
//   shift does.
// No profile has both prices. The choice is settled where a tensor that trains in every step lies behind the mask, the
// vector or the images.
//
// `loss` is what a forward pass with all candidates requiring grad has computed; `parameters` are those of Profile()
// (profile.h), which does not look for this. `always` names the parameters that train in every step. Runs each
// checkpointed function once more. Returns UNIMPLEMENTED, naming tensors that the choice depends on, and the errors of
// WalkGraph() (graph_walk.h). Thread-safe as long as no other thread changes the graph.
// REQUIRES: `loss` requires grad and is no leaf.
absl::Status RefuseChoicesOfKernel(const at::Tensor& loss, const NamedParameters& parameters,
                                   const std::vector<std::string>& always);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_KERNEL_CHOICE_H_
