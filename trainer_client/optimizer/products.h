#ifndef GREENPLAN_TRAINER_CLIENT_OPTIMIZER_PRODUCTS_H_
#define GREENPLAN_TRAINER_CLIENT_OPTIMIZER_PRODUCTS_H_

#include "ATen/core/Tensor.h"

namespace greenplan::trainer {

// These return a double scalar on the tensors' device, so that nothing waits for it. They compute in double, in slices
// of a few MB. Both tensors have one shape.
at::Tensor SumOfProducts(const at::Tensor& a, const at::Tensor& b);
at::Tensor SumOfAbsoluteProducts(const at::Tensor& a, const at::Tensor& b);
at::Tensor SquaredDistance(const at::Tensor& a, const at::Tensor& b);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_OPTIMIZER_PRODUCTS_H_
