#include "profiler/autograd/module_state.h"

#include "ATen/core/grad_mode.h"

namespace greenplan::profiler {

NamedParameters TrainableParameters(const torch::nn::Module& module) {
  NamedParameters parameters;
  for (const auto& parameter : module.named_parameters()) {
    if (parameter.value().is_floating_point()) parameters.emplace_back(parameter.key(), parameter.value());
  }
  return parameters;
}

RequireGrad::RequireGrad(const NamedParameters& parameters) {
  for (const auto& [name, parameter] : parameters) {
    if (parameter.requires_grad()) continue;
    changed_.push_back(parameter);
    parameter.set_requires_grad(true);
  }
}

RequireGrad::~RequireGrad() {
  for (const at::Tensor& parameter : changed_) parameter.set_requires_grad(false);
}

KeepBuffers::KeepBuffers(const std::vector<at::Tensor>& buffers) {
  const at::NoGradGuard no_grad;
  for (const at::Tensor& buffer : buffers) saved_.emplace_back(buffer, buffer.clone());
}

KeepBuffers::~KeepBuffers() {
  const at::NoGradGuard no_grad;
  for (auto& [buffer, contents] : saved_) buffer.copy_(contents);
}

KeepGradients::KeepGradients(const NamedParameters& parameters) {
  for (const auto& [name, parameter] : parameters) saved_.emplace_back(parameter, parameter.grad());
  Clear();
}

KeepGradients::~KeepGradients() {
  for (auto& [parameter, gradient] : saved_) parameter.mutable_grad() = gradient;
}

void KeepGradients::Clear() {
  for (auto& [parameter, gradient] : saved_) parameter.mutable_grad().reset();
}

}  // namespace greenplan::profiler
