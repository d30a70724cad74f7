#include "trainer_client/optimizer/products.h"

#include <algorithm>
#include <cstdint>

#include "ATen/ops/zeros.h"

namespace greenplan::trainer {
namespace {

// Products that are summed in float32 before the sums are added up in double. Fewer products than kMany are summed in
// double at once, because launching another kernel would take longer.
constexpr int64_t kRow = 1024;
constexpr int64_t kMany = int64_t{1} << 22;

// A GPU has few units for double, and LibTorch copies a float32 tensor to double before it sums it in double. So
// products are made in float32 there, which is exact for 16-bit factors.
at::ScalarType ProductType(const at::Tensor& a, const at::Tensor& b) {
  const bool is_double = a.scalar_type() == at::kDouble || b.scalar_type() == at::kDouble;
  return a.is_cpu() || is_double ? at::kDouble : at::kFloat;
}

// The sum over slices of the elements of term(a's slice as a copy of the type of the products, b's slice).
template <typename Term>
at::Tensor SumOfSlices(const at::Tensor& a, const at::Tensor& b, const Term& term) {
  at::Tensor sum = at::zeros({}, a.options().dtype(at::kDouble).requires_grad(false));
  const at::Tensor a_flat = a.reshape(-1), b_flat = b.reshape(-1);
  const int64_t slice = SliceElements(a.device());  // Bounds the memory of the copy.
  for (int64_t begin = 0; begin < a_flat.numel(); begin += slice) {
    const int64_t length = std::min(slice, a_flat.numel() - begin);
    at::Tensor copy = a_flat.narrow(0, begin, length).to(ProductType(a, b), false, /*copy=*/true);
    sum.add_(SumInDouble(term(copy, b_flat.narrow(0, begin, length))));
  }
  return sum;
}

}  // namespace

int64_t SliceElements(const at::Device& device) { return int64_t{1} << (device.is_cpu() ? 20 : 24); }

at::Tensor SumInDouble(const at::Tensor& values) {
  if (values.is_cpu() || values.scalar_type() == at::kDouble || values.numel() < kMany) return values.sum(at::kDouble);
  const int64_t in_rows = values.numel() / kRow * kRow;
  at::Tensor sum = values.narrow(0, 0, in_rows).view({-1, kRow}).sum(1, /*keepdim=*/false, at::kFloat).sum(at::kDouble);
  if (in_rows < values.numel()) sum.add_(values.narrow(0, in_rows, values.numel() - in_rows).sum(at::kDouble));
  return sum;
}

at::Tensor SumOfProducts(const at::Tensor& a, const at::Tensor& b) {
  return SumOfSlices(a, b, [](at::Tensor& copy, const at::Tensor& other) { return copy.mul_(other); });
}

at::Tensor SumOfAbsoluteProducts(const at::Tensor& a, const at::Tensor& b) {
  return SumOfSlices(a, b, [](at::Tensor& copy, const at::Tensor& other) { return copy.mul_(other).abs_(); });
}

at::Tensor SquaredDistance(const at::Tensor& a, const at::Tensor& b) {
  return SumOfSlices(a, b, [](at::Tensor& copy, const at::Tensor& other) { return copy.sub_(other).square_(); });
}

}  // namespace greenplan::trainer
