#include "trainer_client/optimizer/products.h"

#include <algorithm>
#include <cstdint>

#include "ATen/ops/zeros.h"

namespace greenplan::trainer {
namespace {

// The sum over slices of term(a's slice as a double copy, b's slice).
template <typename Term>
at::Tensor SumOfSlices(const at::Tensor& a, const at::Tensor& b, const Term& term) {
  at::Tensor sum = at::zeros({}, a.options().dtype(at::kDouble).requires_grad(false));
  const at::Tensor a_flat = a.reshape(-1), b_flat = b.reshape(-1);
  const int64_t slice = SliceElements(a.device());  // Bounds the memory of the conversion to double.
  for (int64_t begin = 0; begin < a_flat.numel(); begin += slice) {
    const int64_t length = std::min(slice, a_flat.numel() - begin);
    at::Tensor copy = a_flat.narrow(0, begin, length).to(at::kDouble, false, /*copy=*/true);
    sum.add_(term(copy, b_flat.narrow(0, begin, length)));
  }
  return sum;
}

}  // namespace

int64_t SliceElements(const at::Device& device) { return int64_t{1} << (device.is_cpu() ? 20 : 22); }

at::Tensor SumOfProducts(const at::Tensor& a, const at::Tensor& b) {
  return SumOfSlices(a, b, [](at::Tensor& copy, const at::Tensor& other) { return copy.mul_(other).sum(); });
}

at::Tensor SumOfAbsoluteProducts(const at::Tensor& a, const at::Tensor& b) {
  return SumOfSlices(a, b, [](at::Tensor& copy, const at::Tensor& other) { return copy.mul_(other).abs_().sum(); });
}

at::Tensor SquaredDistance(const at::Tensor& a, const at::Tensor& b) {
  return SumOfSlices(a, b, [](at::Tensor& copy, const at::Tensor& other) { return copy.sub_(other).square_().sum(); });
}

}  // namespace greenplan::trainer
