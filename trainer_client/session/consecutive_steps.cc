#include "trainer_client/session/consecutive_steps.h"

#include <cstddef>

#include "ATen/core/grad_mode.h"
#include "trainer_client/optimizer/products.h"

namespace greenplan::trainer {

ConsecutiveSteps::ConsecutiveSteps(const NamedParameters& parameters, const UpdateRule& rule, int step_count)
    : parameters_(parameters),
      rule_(rule),
      step_count_(step_count),
      kept_updates_(parameters.size()),
      was_stepped_(parameters.size(), false),
      samples_(parameters.size()) {}

at::Tensor ConsecutiveSteps::UpdateOfLastStep(size_t tensor) const {
  if (kept_updates_[tensor].defined()) return kept_updates_[tensor];
  return was_stepped_[tensor] ? rule_.LastUpdate(parameters_[tensor].second) : at::Tensor();
}

void ConsecutiveSteps::AddStep(const std::vector<bool>& measured, const std::vector<bool>& steps) {
  const at::NoGradGuard no_grad;
  ++steps_added_;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& parameter = parameters_[i].second;
    const at::Tensor& gradient = parameter.grad();
    const bool has_gradient = measured[i] && gradient.defined();
    if (has_gradient) {
      const at::Tensor update = UpdateOfLastStep(i);
      if (update.defined()) samples_[i].push_back(SumOfProducts(gradient, update).neg());
    }
    kept_updates_[i].reset();
    was_stepped_[i] = has_gradient && steps[i] && rule_.TellsLastUpdate();
    if (has_gradient && !was_stepped_[i] && !is_complete()) kept_updates_[i] = rule_.NextUpdate(parameter, gradient);
  }
}

absl::StatusOr<Importance> ConsecutiveSteps::Result() const {
  return Summarize(parameters_, samples_, static_cast<size_t>(step_count_ - 1));
}

}  // namespace greenplan::trainer
