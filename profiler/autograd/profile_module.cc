#include "profiler/autograd/profile_module.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include "ATen/Context.h"
#include "ATen/core/Generator.h"
#include "ATen/core/grad_mode.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

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

// Puts the default random generators of the CPU and of the parameters' devices back when it dies.
class KeepRandomState {
 public:
  explicit KeepRandomState(const NamedParameters& parameters) {
    std::vector<at::Device> devices = {at::kCPU};
    for (const auto& [name, parameter] : parameters) {
      if (std::find(devices.begin(), devices.end(), parameter.device()) == devices.end() && !parameter.is_meta()) {
        devices.push_back(parameter.device());
      }
    }
    for (const at::Device& device : devices) {
      at::Generator generator = at::globalContext().defaultGenerator(device);
      const std::lock_guard lock(generator.mutex());
      saved_.emplace_back(generator, generator.get_state());
    }
  }
  ~KeepRandomState() {
    for (auto& [generator, state] : saved_) {
      const std::lock_guard lock(generator.mutex());
      generator.set_state(state);
    }
  }
  KeepRandomState(const KeepRandomState&) = delete;
  KeepRandomState& operator=(const KeepRandomState&) = delete;

 private:
  std::vector<std::pair<at::Generator, at::Tensor>> saved_;
};

}  // namespace

absl::StatusOr<ModelProfile> Profile(torch::nn::Module& module, const std::function<at::Tensor()>& loss,
                                     const ProfileOptions& options) {
  const NamedParameters parameters = TrainableParameters(module);
  if (parameters.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("module ", module.name(), " has no floating-point parameters; there is nothing to train"));
  }
  const KeepRandomState keep_random_state(parameters);
  const KeepBuffers keep_buffers(module);
  const RequireGrad require_grad(parameters);
  const at::AutoGradMode grad_mode(true);
  try {
    return Profile(loss(), parameters, options);
  } catch (const c10::Error& error) {
    return absl::InternalError(absl::StrCat("forward pass failed: ", error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("forward pass failed: ", error.what()));
  }
}

}  // namespace greenplan::profiler
