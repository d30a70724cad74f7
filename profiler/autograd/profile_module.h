#ifndef GREENPLAN_PROFILER_AUTOGRAD_PROFILE_MODULE_H_
#define GREENPLAN_PROFILER_AUTOGRAD_PROFILE_MODULE_H_

#include <functional>

#include "absl/status/statusor.h"
#include "planner/core/model_profile.h"
#include "profiler/autograd/profile.h"
#include "torch/nn/module.h"

namespace greenplan::profiler {

// Profiles a module by one forward pass in which every floating-point parameter requires grad. `loss` runs forward on a
// batch of the size to be trained on and returns the loss; it is called once. Buffers are not counted in saved_bytes;
// name the batch in options.resident.
//
//   auto profile = Profile(*model, [&] { return cross_entropy(model->forward(tokens), targets); });
//
// Afterwards the module is as it was: which parameters require grad, their gradients, all buffers (the statistics of
// batch norm) and the random state of every device involved. Memory: the activations of one forward pass and a copy of
// the buffers, none of the parameters.
//
// Tensors: the floating-point parameters, in the order and under the names of module.named_parameters(); one that is
// held under several names appears once, under the first.
//
// The errors of Profile (profile.h); InvalidArgument also if the module has no floating-point parameters; Internal if
// `loss` throws, with what it said.
absl::StatusOr<ModelProfile> Profile(torch::nn::Module& module, const std::function<at::Tensor()>& loss,
                                     const ProfileOptions& options = {});

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_PROFILE_MODULE_H_
