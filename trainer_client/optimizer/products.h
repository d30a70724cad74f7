#ifndef GREENPLAN_TRAINER_CLIENT_OPTIMIZER_PRODUCTS_H_
#define GREENPLAN_TRAINER_CLIENT_OPTIMIZER_PRODUCTS_H_

#include <cstdint>

#include "ATen/core/Tensor.h"
#include "c10/core/Device.h"

namespace greenplan::trainer {

// Returns how many elements to process at a time where scratch memory of that size is needed: few on a CPU, where they
// then stay in its caches; more on a GPU, where launching kernels would otherwise take longer than running them.
int64_t SliceElements(const at::Device& device);

// The functions below return a double scalar on the tensors' device, so nothing waits for the device.

// Returns the sum of the elements of `values`, which is contiguous and has one dimension. On a GPU it sums rows of
// 1,024 elements in float32, which costs a relative error of about 1e-7 in each, and the rows in double.
at::Tensor SumInDouble(const at::Tensor& values);

// These compute in double, on a GPU in float32 (double tensors in double) and add up by SumInDouble(). They need
// scratch memory of 8 MB, on a GPU of up to 64 MB. Both tensors must have the same shape.
//
// Returns the sum of a[i] * b[i].
at::Tensor SumOfProducts(const at::Tensor& a, const at::Tensor& b);
// Returns the sum of |a[i] * b[i]|.
at::Tensor SumOfAbsoluteProducts(const at::Tensor& a, const at::Tensor& b);
// Returns the sum of (a[i] - b[i])^2.
at::Tensor SquaredDistance(const at::Tensor& a, const at::Tensor& b);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_OPTIMIZER_PRODUCTS_H_
