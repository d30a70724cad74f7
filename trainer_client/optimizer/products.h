#ifndef GREENPLAN_TRAINER_CLIENT_OPTIMIZER_PRODUCTS_H_
#define GREENPLAN_TRAINER_CLIENT_OPTIMIZER_PRODUCTS_H_

#include "ATen/core/Tensor.h"

namespace greenplan::trainer {

// The functions below return a double scalar on the tensors' device, so nothing waits for the device. They compute in
// double, in slices of a few MB. Both tensors must have the same shape.
//
// Returns the sum of a[i] * b[i].
at::Tensor SumOfProducts(const at::Tensor& a, const at::Tensor& b);
// Returns the sum of |a[i] * b[i]|.
at::Tensor SumOfAbsoluteProducts(const at::Tensor& a, const at::Tensor& b);
// Returns the sum of (a[i] - b[i])^2.
at::Tensor SquaredDistance(const at::Tensor& a, const at::Tensor& b);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_OPTIMIZER_PRODUCTS_H_
