#include "trainer_client/session/trainable.h"

#include <cstddef>

namespace greenplan::trainer {

void SetTrainable(const NamedParameters& parameters, const std::vector<bool>& trainable) {
  for (const auto& [name, parameter] : parameters) parameter.mutable_grad().reset();
  SetRequiresGrad(parameters, trainable);
}

void SetRequiresGrad(const NamedParameters& parameters, const std::vector<bool>& trainable) {
  for (size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor& parameter = parameters[i].second;
    if (parameter.requires_grad() != trainable[i]) parameter.requires_grad_(trainable[i]);
  }
}

std::vector<bool> GetTrainable(const NamedParameters& parameters) {
  std::vector<bool> trainable;
  for (const auto& [name, parameter] : parameters) trainable.push_back(parameter.requires_grad());
  return trainable;
}

}  // namespace greenplan::trainer
