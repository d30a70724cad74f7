#ifndef GREENPLAN_TRAINER_CLIENT_OPTIMIZER_OPTIMIZER_H_
#define GREENPLAN_TRAINER_CLIENT_OPTIMIZER_OPTIMIZER_H_

#include <map>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "trainer_client/optimizer/update_rule.h"

namespace greenplan::trainer {

// What becomes of the optimizer's state of parameters that a plan freezes.
enum class FrozenState {
  kKeep,     // It stays, and a parameter that thaws goes on from it.
  kOffload,  // The same, but it waits in the host's memory. On the CPU this is kKeep.
  kDrop,     // Its memory is freed; a parameter that thaws begins anew, bias correction included.
};

// What a training session needs of an optimizer. AdamW (adamw.h) is one; teach the session another by writing a
// subclass. The rule that keeps frozen tensors where they are: a parameter whose gradient is undefined must not change
// by one bit in Step(), and neither must its state. Not thread-safe.
//
//   optimizer.Step();            // Parameters without a gradient stay as they are.
//   optimizer.ClearGradients();
//   optimizer.PlaceState(frozen, FrozenState::kDrop);
class Optimizer : public UpdateRule {
 public:
  using State = std::map<std::string, at::Tensor>;

  // Makes one step for every parameter that has a gradient.
  virtual void Step() = 0;

  // Returns whether Step() changes `parameter`, once that has a gradient.
  virtual bool Owns(const at::Tensor& parameter) const { return true; }

  // Makes every gradient undefined. (Gradients set to zero would let momentum and weight decay move frozen tensors.)
  virtual void ClearGradients() = 0;

  // Sets the learning rate of the steps from now on.
  virtual void set_learning_rate(double learning_rate) = 0;

  // Treats the state of the parameters in `frozen` as `policy` says, and brings back what had been offloaded for
  // others.
  virtual void PlaceState(const std::vector<at::Tensor>& frozen, FrozenState policy) = 0;

  // Returns what is needed to resume, under names of the form "PARAMETER.ENTRY". The tensors are not copies, so a later
  // Step() changes them.
  virtual State state() const = 0;

  // Replaces the state by a copy of `state`. Returns INVALID_ARGUMENT if the state is not one of these parameters; it
  // is then unchanged.
  virtual absl::Status LoadState(const State& state) = 0;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_OPTIMIZER_OPTIMIZER_H_
