#ifndef GREENPLAN_PROFILER_AUTOGRAD_CHECKPOINT_H_
#define GREENPLAN_PROFILER_AUTOGRAD_CHECKPOINT_H_

#include <functional>
#include <vector>

#include "ATen/core/Tensor.h"

namespace greenplan::profiler {

using CheckpointedFunction = std::function<at::Tensor(const std::vector<at::Tensor>& inputs)>;

// Activation checkpointing that Profile() can see into: runs `function` without keeping its activations, and again in
// backward if any gradient behind it is asked for.
//
//   x = Checkpoint([layer](const std::vector<at::Tensor>& inputs) { return layer->forward(inputs[0]); }, {x},
//                  layer->parameters());
//
// `parameters` are the leaf tensors that `function` uses beside its inputs: they alone, and the inputs, receive
// gradients, and only those that require grad at the time of the call. The second run sees the random state of the
// first, on the CPU and on the inputs' devices, so that dropout repeats itself; global random state is untouched by it.
// The outcome of `function` must depend on nothing else that changes in between. Checkpoints may be nested.
//
// Costs, as Profile() reads them: the second run is an op that pays the products of the function's forward pass once if
// any gradient is asked for; behind it follow the ops of the function itself. Kept from forward: the inputs alone. To
// read it, Profile() runs the function once more. As everywhere in Profile(), products of which nothing requires grad
// are not seen: where a function has frozen parameters, let them require grad for profiling and name them as frozen.
at::Tensor Checkpoint(CheckpointedFunction function, const std::vector<at::Tensor>& inputs,
                      const std::vector<at::Tensor>& parameters);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_CHECKPOINT_H_
