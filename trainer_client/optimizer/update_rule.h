#ifndef GREENPLAN_TRAINER_CLIENT_OPTIMIZER_UPDATE_RULE_H_
#define GREENPLAN_TRAINER_CLIENT_OPTIMIZER_UPDATE_RULE_H_

#include "ATen/core/Tensor.h"
#include "trainer_client/optimizer/products.h"

namespace greenplan::trainer {

// Computes what an optimizer would do next. That is all that measuring importance needs to know of the optimizer. AdamW
// (adamw.h) is one implementation; for another optimizer, write a subclass of a few lines.
class UpdateRule {
 public:
  virtual ~UpdateRule() = default;

  // Returns how the next step would change `parameter` if its gradient were `gradient`: w' - w, in the shape of both.
  // Must not change the parameter, the gradient or the optimizer's state. It is called while autograd does not record.
  virtual at::Tensor NextUpdate(const at::Tensor& parameter, const at::Tensor& gradient) const = 0;

  // Returns the sum of the products of `direction`'s elements and those of NextUpdate(parameter, gradient), a double
  // scalar on the parameter's device. Override it where the update need not be kept whole for that.
  virtual at::Tensor ProductWithNextUpdate(const at::Tensor& parameter, const at::Tensor& gradient,
                                           const at::Tensor& direction) const {
    return SumOfProducts(direction, NextUpdate(parameter, gradient));
  }

  // Returns whether LastUpdate() may be called.
  virtual bool TellsLastUpdate() const { return false; }

  // Returns how the last step changed `parameter`, w' - w, to rounding, as the optimizer's state tells it afterwards.
  // An optimizer with momentum tells it without a copy, and then importance over two steps keeps none. REQUIRES:
  // TellsLastUpdate(); `parameter` was changed in the last step and not since.
  virtual at::Tensor LastUpdate(const at::Tensor& parameter) const { return {}; }
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_OPTIMIZER_UPDATE_RULE_H_
