#ifndef GREENPLAN_PROFILER_AUTOGRAD_FREE_OPS_H_
#define GREENPLAN_PROFILER_AUTOGRAD_FREE_OPS_H_

#include <string_view>

namespace greenplan::profiler {

// Returns whether an autograd node is known to execute no matrix product in backward. Such nodes are views, elementwise
// work, reductions, look-ups, norms, pooling and losses; they cost 0 FLOPs by convention. `stem` is the node's name
// without "Backward" and the number behind it: "Add" for AddBackward0. Thread-safe.
//
// This is an allow-list on purpose. Custom functions (in C++ or Python), fused recurrent kernels, decompositions of
// linear algebra and nodes that a later LibTorch adds are not on it, so Profile() refuses them by name instead of
// counting hidden products as 0. If an op is missing here, its user gets one clear error. If an op were here wrongly,
// every plan of that model would exceed its budget.
bool IsFreeOp(std::string_view stem);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_FREE_OPS_H_
