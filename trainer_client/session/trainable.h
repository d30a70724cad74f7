#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_TRAINABLE_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_TRAINABLE_H_

#include <vector>

#include "profiler/autograd/profile.h"

namespace greenplan::trainer {

using profiler::NamedParameters;

// Sets requires_grad on exactly the tensors of `trainable` ([num_tensors]) and undefines every gradient. Autograd then
// skips the work for the others, and an optimizer that passes over undefined gradients, as LibTorch's do, leaves them
// alone. (A zero-filled gradient would not do: momentum and weight decay keep moving the weights.)
void SetTrainable(const NamedParameters& parameters, const std::vector<bool>& trainable);

// Does the same but leaves gradients as they are: those of earlier micro-batches stay while a block is dropped.
void SetRequiresGrad(const NamedParameters& parameters, const std::vector<bool>& trainable);

// Returns requires_grad of each parameter, [num_tensors].
std::vector<bool> GetTrainable(const NamedParameters& parameters);

// Restores requires_grad at the end of its scope to what it was at the beginning. Gradients are then undefined.
class TrainableGuard {
 public:
  explicit TrainableGuard(const NamedParameters& parameters)
      : parameters_(parameters), trainable_(GetTrainable(parameters)) {}
  ~TrainableGuard() { SetTrainable(parameters_, trainable_); }
  TrainableGuard(const TrainableGuard&) = delete;
  TrainableGuard& operator=(const TrainableGuard&) = delete;

 private:
  const NamedParameters& parameters_;
  const std::vector<bool> trainable_;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_TRAINABLE_H_
