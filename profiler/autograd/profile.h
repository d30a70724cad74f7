#ifndef GREENPLAN_PROFILER_AUTOGRAD_PROFILE_H_
#define GREENPLAN_PROFILER_AUTOGRAD_PROFILE_H_

#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "planner/core/model_profile.h"

namespace greenplan::profiler {

// As torch::nn::Module::named_parameters(): a tied tensor once, under its first name.
using NamedParameters = std::vector<std::pair<std::string, at::Tensor>>;

// Reads the cost model of a training step off the autograd graph behind `loss`, in FLOPs. The forward pass must have
// run with every parameter that may ever be trained requiring grad: with frozen operands the graph lacks ops and
// shapes. Runs nothing and keeps no reference. Cost: one walk of the graph.
//
// InvalidArgument: the loss does not require grad, or no parameter is reached.
// Unimplemented: an op has matrix work but no rule, by name; it is never counted as 0 in silence.
absl::StatusOr<ModelProfile> Profile(const at::Tensor& loss, const NamedParameters& parameters);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_PROFILE_H_
