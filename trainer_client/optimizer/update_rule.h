#ifndef GREENPLAN_TRAINER_CLIENT_OPTIMIZER_UPDATE_RULE_H_
#define GREENPLAN_TRAINER_CLIENT_OPTIMIZER_UPDATE_RULE_H_

#include "ATen/core/Tensor.h"

namespace greenplan::trainer {

// What an optimizer would do next: all that measuring importance needs to know of it. AdamW (adamw.h) is one; write a
// subclass of a few lines for an optimizer of your own.
class UpdateRule {
 public:
  virtual ~UpdateRule() = default;

  // w' - w of the step that would come next if `gradient` were the gradient of `parameter`; same shape as both.
  // Changes nothing: neither parameter, gradient nor the optimizer's state. Called without autograd recording.
  virtual at::Tensor NextUpdate(const at::Tensor& parameter, const at::Tensor& gradient) const = 0;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_OPTIMIZER_UPDATE_RULE_H_
