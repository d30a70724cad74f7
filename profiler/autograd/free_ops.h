#ifndef GREENPLAN_PROFILER_AUTOGRAD_FREE_OPS_H_
#define GREENPLAN_PROFILER_AUTOGRAD_FREE_OPS_H_

#include <string_view>

namespace greenplan::profiler {

// Whether an autograd node of this name is known to do no matrix product in backward: views, elementwise work,
// reductions, look-ups, norms, pooling and losses, which cost 0 FLOPs by convention. `stem` is the node's name without
// "Backward" and what follows it: "Add" for AddBackward0.
//
// An allow-list, on purpose. Custom functions (in C++ or Python), fused recurrent kernels, decompositions of linear
// algebra, and whatever a later LibTorch adds are not on it, so a profile refuses them by name instead of pricing
// hidden products at 0. An op that is missing here costs a user one clear error; a wrong 0 would cost every plan its
// budget.
bool IsFreeOp(std::string_view stem);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_FREE_OPS_H_
