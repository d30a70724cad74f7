#include "profiler/autograd/profile_module.h"

#include <exception>
#include <vector>

#include "ATen/core/grad_mode.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "profiler/autograd/module_state.h"
#include "profiler/autograd/random_state.h"

namespace greenplan::profiler {

absl::StatusOr<ModelProfile> Profile(torch::nn::Module& module, const std::function<at::Tensor()>& loss,
                                     const ProfileOptions& options) {
  const NamedParameters parameters = TrainableParameters(module);
  if (parameters.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("module ", module.name(), " has no floating-point parameters; there is nothing to train"));
  }
  std::vector<at::Tensor> tensors;
  for (const auto& [name, parameter] : parameters) tensors.push_back(parameter);
  const KeepRandomState keep_random_state(tensors);
  const KeepBuffers keep_buffers(module.buffers());
  const RequireGrad require_grad(parameters);
  const at::AutoGradMode grad_mode(true);
  ProfileOptions with_buffers = options;
  for (const at::Tensor& buffer : module.buffers()) with_buffers.resident.push_back(buffer);
  try {
    return Profile(loss(), parameters, with_buffers);
  } catch (const c10::Error& error) {
    return absl::InternalError(absl::StrCat("forward pass failed: ", error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("forward pass failed: ", error.what()));
  }
}

}  // namespace greenplan::profiler
