#ifndef GREENPLAN_PROFILER_AUTOGRAD_PROFILE_MODULE_H_
#define GREENPLAN_PROFILER_AUTOGRAD_PROFILE_MODULE_H_

#include <functional>

#include "absl/status/statusor.h"
#include "planner/core/model_profile.h"
#include "profiler/autograd/profile.h"
#include "torch/nn/module.h"

namespace greenplan::profiler {

// Profiles a module by running one forward pass in which every floating-point parameter requires grad. `loss` must run
// the forward pass on a batch of the size that will be trained on and return the loss. It is called once. Buffers do
// not count in saved_bytes; list the tensors of the batch in options.resident so that they do not count either.
//
//   auto profile = Profile(*model, [&] { return cross_entropy(model->forward(tokens), targets); });
//
// The profile's tensors are the floating-point parameters in the order of module.named_parameters(). A parameter that
// has several names appears once, under the first.
//
// Afterwards the module is as it was: the requires_grad flags, the gradients, all buffers (such as the statistics of
// batch norm) and the random state of every device involved. Needs memory for the activations of one forward pass and
// for a copy of the buffers, but not for a copy of the parameters. Not thread-safe: no other thread may use the module
// meanwhile.
//
// Returns the errors of Profile() (profile.h), INVALID_ARGUMENT also if the module has no floating-point parameters,
// and INTERNAL with the exception's text if `loss` throws.
absl::StatusOr<ModelProfile> Profile(torch::nn::Module& module, const std::function<at::Tensor()>& loss,
                                     const ProfileOptions& options = {});

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_PROFILE_MODULE_H_
