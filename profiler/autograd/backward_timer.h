#ifndef GREENPLAN_PROFILER_AUTOGRAD_BACKWARD_TIMER_H_
#define GREENPLAN_PROFILER_AUTOGRAD_BACKWARD_TIMER_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "ATen/core/Tensor.h"
#include "profiler/autograd/graph_walk.h"

namespace greenplan::profiler {

// Nanoseconds since some fixed time, never decreasing.
using NanosecondClock = std::function<int64_t()>;

// `clock`, read once everything that `device` was asked to do is done. On the CPU that is always so.
NanosecondClock AfterWorkOn(const at::Device& device, NanosecondClock clock);

struct BackwardTimes {
  int64_t start_nanoseconds = 0;               // From the call to the first node.
  std::vector<int64_t> node_nanoseconds = {};  // [num_nodes] of the graph; 0 for those that did not run.
};

// Runs backward from `loss` for the gradients of `inputs` alone (all, if empty), which it adds to theirs, and times
// every node of `graph`, the graph behind `loss`: from when it starts to when the next one does, so that what the
// engine does in between, such as adding up gradients, is charged to it too. Nodes within checkpoints are part of their
// checkpoint's time. Whatever backward throws passes through; hooks are taken out again in any case. Nodes must run one
// after another, as they do on one device.
BackwardTimes TimeBackward(const at::Tensor& loss, const AutogradGraph& graph, const std::vector<at::Tensor>& inputs,
                           const NanosecondClock& clock);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_BACKWARD_TIMER_H_
