#ifndef GREENPLAN_PROFILER_AUTOGRAD_KERNEL_CHOICE_H_
#define GREENPLAN_PROFILER_AUTOGRAD_KERNEL_CHOICE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "planner/core/model_profile.h"
#include "profiler/autograd/graph_walk.h"

namespace greenplan::profiler {

// Refuses a graph in which LibTorch would run other operators, at another price, or crash, if something were frozen.
// Three operators look at what requires grad to choose how to compute:
// - scaled_dot_product_attention runs separate products if its mask requires grad, and a fused kernel if not;
// - matmul of a batch of transposed matrices with a vector runs another product if the vector requires grad;
// - the CPU kernel of group_norm for channels-last images crashes if the images do not require grad and its scale or
//   shift does.
// No profile has both prices. The choice is settled if a tensor that always trains lies behind the mask, the vector or
// the images, unless a step may drop that tensor's block and still run the operator.
//
// `profile` has one op per node of `graph`, its tensors hang on their leaves, and its blocks are set. `always` are the
// names of the tensors that train in every step that does not drop their block, and `dropped` those of the blocks that
// steps may drop. Returns UNIMPLEMENTED, naming tensors that would settle the choice. Thread-safe.
absl::Status RefuseChoicesOfKernel(const AutogradGraph& graph, const ModelProfile& profile,
                                   const std::vector<std::string>& always, const std::vector<std::string>& dropped);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_KERNEL_CHOICE_H_
