#ifndef GREENPLAN_PROFILER_AUTOGRAD_MODULE_STATE_H_
#define GREENPLAN_PROFILER_AUTOGRAD_MODULE_STATE_H_

#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "profiler/autograd/profile.h"
#include "torch/nn/module.h"

namespace greenplan::profiler {

// What profiling changes for a while, and how it is put back. None of this is thread-safe: no other thread may use the
// module or its parameters meanwhile. Destroy these objects in the reverse order of their construction.

// Returns the floating-point parameters, in the order and under the names of module.named_parameters().
NamedParameters TrainableParameters(const torch::nn::Module& module);

// Makes every parameter require grad. The destructor restores the flags.
class RequireGrad {
 public:
  explicit RequireGrad(const NamedParameters& parameters);
  ~RequireGrad();
  RequireGrad(const RequireGrad&) = delete;
  RequireGrad& operator=(const RequireGrad&) = delete;

 private:
  std::vector<at::Tensor> changed_;
};

// Copies the contents of the buffers, such as module.buffers(). The destructor writes them back.
class KeepBuffers {
 public:
  explicit KeepBuffers(const std::vector<at::Tensor>& buffers);
  ~KeepBuffers();
  KeepBuffers(const KeepBuffers&) = delete;
  KeepBuffers& operator=(const KeepBuffers&) = delete;

 private:
  std::vector<std::pair<at::Tensor, at::Tensor>> saved_;
};

// Takes the gradients away from the parameters without copying them. The destructor puts them back, in place of any
// that were accumulated in between.
class KeepGradients {
 public:
  explicit KeepGradients(const NamedParameters& parameters);
  ~KeepGradients();
  KeepGradients(const KeepGradients&) = delete;
  KeepGradients& operator=(const KeepGradients&) = delete;

  // Frees the gradients that have been accumulated since construction.
  void Clear();

 private:
  std::vector<std::pair<at::Tensor, at::Tensor>> saved_;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_MODULE_STATE_H_
