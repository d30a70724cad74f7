#include "profiler/autograd/profile_module.h"

#include <exception>
#include <utility>
#include <vector>

#include "ATen/core/grad_mode.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "profiler/autograd/random_state.h"

namespace greenplan::profiler {
namespace {

NamedParameters TrainableParameters(const torch::nn::Module& module) {
  NamedParameters parameters;
  for (const auto& parameter : module.named_parameters()) {
    if (parameter.value().is_floating_point()) parameters.emplace_back(parameter.key(), parameter.value());
  }
  return parameters;
}

// Makes every parameter require grad while it lives.
class RequireGrad {
 public:
  explicit RequireGrad(const NamedParameters& parameters) {
    for (const auto& [name, parameter] : parameters) {
      if (parameter.requires_grad()) continue;
      changed_.push_back(parameter);
      parameter.set_requires_grad(true);
    }
  }
  ~RequireGrad() {
    for (const at::Tensor& parameter : changed_) parameter.set_requires_grad(false);
  }
  RequireGrad(const RequireGrad&) = delete;
  RequireGrad& operator=(const RequireGrad&) = delete;

 private:
  std::vector<at::Tensor> changed_;
};

// Puts the buffers' contents back when it dies.
class KeepBuffers {
 public:
  explicit KeepBuffers(const torch::nn::Module& module) {
    const at::NoGradGuard no_grad;
    for (const at::Tensor& buffer : module.buffers()) saved_.emplace_back(buffer, buffer.clone());
  }
  ~KeepBuffers() {
    const at::NoGradGuard no_grad;
    for (auto& [buffer, contents] : saved_) buffer.copy_(contents);
  }
  KeepBuffers(const KeepBuffers&) = delete;
  KeepBuffers& operator=(const KeepBuffers&) = delete;

 private:
  std::vector<std::pair<at::Tensor, at::Tensor>> saved_;
};

}  // namespace

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
  const KeepBuffers keep_buffers(module);
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
