#ifndef GREENPLAN_TRAINER_CLIENT_OPTIMIZER_UPDATE_RULE_H_
#define GREENPLAN_TRAINER_CLIENT_OPTIMIZER_UPDATE_RULE_H_

#include "ATen/core/Tensor.h"

namespace greenplan::trainer {

// Computes what an optimizer would do next. That is all that measuring importance needs to know of the optimizer. AdamW
// (adamw.h) is one implementation; for another optimizer, write a subclass of a few lines.
class UpdateRule {
 public:
  virtual ~UpdateRule() = default;

  // Returns how the next step would change `parameter` if its gradient were `gradient`: w' - w, in the shape of both.
  // Must not change the parameter, the gradient or the optimizer's state. It is called while autograd does not record.
  virtual at::Tensor NextUpdate(const at::Tensor& parameter, const at::Tensor& gradient) const = 0;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_OPTIMIZER_UPDATE_RULE_H_
