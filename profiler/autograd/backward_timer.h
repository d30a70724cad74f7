#ifndef GREENPLAN_PROFILER_AUTOGRAD_BACKWARD_TIMER_H_
#define GREENPLAN_PROFILER_AUTOGRAD_BACKWARD_TIMER_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "ATen/core/Tensor.h"
#include "profiler/autograd/graph_walk.h"

namespace greenplan::profiler {

// Returns nanoseconds since some fixed time. It never decreases.
using NanosecondClock = std::function<int64_t()>;

// Returns a clock that waits until `device` has finished its queued work and then reads `clock`. On the CPU there is
// nothing to wait for, and `clock` itself is returned.
NanosecondClock AfterWorkOn(const at::Device& device, NanosecondClock clock);

// How long one backward pass took.
struct BackwardTimes {
  int64_t start_nanoseconds = 0;               // From the call to the start of the first node.
  std::vector<int64_t> node_nanoseconds = {};  // [num_nodes], as AutogradGraph::nodes; 0 for a node that did not run.
};

// Runs backward from `loss` and returns how long each node of `graph` took. `graph` must be the graph behind `loss`.
//
// Only the gradients of `inputs` are computed, and they are added to what `grad` holds; if `inputs` is empty, the
// gradients of all leaves are. A node's time lasts from its start to the start of the next node, so it includes what
// the engine does in between, such as adding up gradients. The nodes within a checkpoint count as part of the
// checkpoint's time.
//
// REQUIRES: nodes run one after another, as they do when all of them are on one device.
//
// If backward throws, the exception passes through to the caller. The hooks that measure are removed in any case. Not
// thread-safe: no other thread may use the graph meanwhile.
BackwardTimes TimeBackward(const at::Tensor& loss, const AutogradGraph& graph, const std::vector<at::Tensor>& inputs,
                           const NanosecondClock& clock);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_BACKWARD_TIMER_H_
