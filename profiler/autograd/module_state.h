#ifndef GREENPLAN_PROFILER_AUTOGRAD_MODULE_STATE_H_
#define GREENPLAN_PROFILER_AUTOGRAD_MODULE_STATE_H_

#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "profiler/autograd/profile.h"
#include "torch/nn/module.h"

namespace greenplan::profiler {

// What profiling a module changes for a while. Not thread-safe.

// The floating-point parameters, in the order and under the names of module.named_parameters().
NamedParameters TrainableParameters(const torch::nn::Module& module);

// Makes every parameter require grad while it lives.
class RequireGrad {
 public:
  explicit RequireGrad(const NamedParameters& parameters);
  ~RequireGrad();
  RequireGrad(const RequireGrad&) = delete;
  RequireGrad& operator=(const RequireGrad&) = delete;

 private:
  std::vector<at::Tensor> changed_;
};

// Puts the buffers' contents back when it dies.
class KeepBuffers {
 public:
  explicit KeepBuffers(const torch::nn::Module& module);
  ~KeepBuffers();
  KeepBuffers(const KeepBuffers&) = delete;
  KeepBuffers& operator=(const KeepBuffers&) = delete;

 private:
  std::vector<std::pair<at::Tensor, at::Tensor>> saved_;
};

// Puts the parameters' gradients aside, uncopied, and back when it dies; what was accumulated in between goes.
class KeepGradients {
 public:
  explicit KeepGradients(const NamedParameters& parameters);
  ~KeepGradients();
  KeepGradients(const KeepGradients&) = delete;
  KeepGradients& operator=(const KeepGradients&) = delete;

  // Frees what has been accumulated since.
  void Clear();

 private:
  std::vector<std::pair<at::Tensor, at::Tensor>> saved_;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_MODULE_STATE_H_
