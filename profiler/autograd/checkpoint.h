#ifndef GREENPLAN_PROFILER_AUTOGRAD_CHECKPOINT_H_
#define GREENPLAN_PROFILER_AUTOGRAD_CHECKPOINT_H_

#include <functional>
#include <vector>

#include "ATen/core/Tensor.h"

namespace greenplan::profiler {

// A piece of a forward pass that can be run again. Its result depends on its inputs, the parameters listed with it and
// the random state only.
using CheckpointedFunction = std::function<at::Tensor(const std::vector<at::Tensor>& inputs)>;

// Activation checkpointing that Profile() (profile.h) can see into. Returns function(inputs) without keeping the
// activations of `function`. Backward runs the function again if it needs a gradient from within.
//
//   x = Checkpoint([layer](const std::vector<at::Tensor>& inputs) { return layer->forward(inputs[0]); }, {x},
//                  layer->parameters());
//
// `parameters` are the leaf tensors that `function` uses in addition to its inputs. The inputs and these parameters
// receive gradients if they require grad at the time of the call; no other tensor does. The second run uses the random
// state of the first on the CPU and on the inputs' devices, so dropout repeats itself, and leaves the global random
// state as it was. Nothing else that `function` depends on may change between the two runs. Checkpoints may be nested.
//
// What Profile() reports: the second run is an op. If any gradient from within is needed, that op costs the products of
// the function's forward pass, once. The ops of the function itself follow behind it. Only the inputs are kept from
// forward. Profile() runs the function once more to read its graph and, if an input or a parameter does not require
// grad, another time to count the products that only such tensors take part in: the second run makes these as well.
//
// If `function` throws, the exception passes through, also from the second run in backward.
at::Tensor Checkpoint(CheckpointedFunction function, const std::vector<at::Tensor>& inputs,
                      const std::vector<at::Tensor>& parameters);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_CHECKPOINT_H_
