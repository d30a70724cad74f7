#include "trainer_client/session/gradient_reduction.h"

#include <algorithm>
#include <cstdint>

#include "ATen/core/grad_mode.h"
#include "ATen/ops/zeros.h"
#include "torch/csrc/autograd/function_hook.h"
#include "torch/csrc/autograd/variable.h"

namespace greenplan::trainer {
namespace {

// Bounds the memory of the conversion to double.
constexpr int64_t kSliceElements = int64_t{1} << 20;

// The sum over slices of term(a's slice as a double copy, b's slice).
template <typename Term>
at::Tensor SumOfSlices(const at::Tensor& a, const at::Tensor& b, const Term& term) {
  at::Tensor sum = at::zeros({}, a.options().dtype(at::kDouble).requires_grad(false));
  const at::Tensor a_flat = a.reshape(-1), b_flat = b.reshape(-1);
  for (int64_t begin = 0; begin < a_flat.numel(); begin += kSliceElements) {
    const int64_t length = std::min(kSliceElements, a_flat.numel() - begin);
    at::Tensor copy = a_flat.narrow(0, begin, length).to(at::kDouble, false, /*copy=*/true);
    sum.add_(term(copy, b_flat.narrow(0, begin, length)));
  }
  return sum;
}

}  // namespace

at::Tensor SumOfProducts(const at::Tensor& a, const at::Tensor& b) {
  return SumOfSlices(a, b, [](at::Tensor& copy, const at::Tensor& other) { return copy.mul_(other).sum(); });
}

at::Tensor SumOfAbsoluteProducts(const at::Tensor& a, const at::Tensor& b) {
  return SumOfSlices(a, b, [](at::Tensor& copy, const at::Tensor& other) { return copy.mul_(other).abs_().sum(); });
}

at::Tensor SquaredDistance(const at::Tensor& a, const at::Tensor& b) {
  return SumOfSlices(a, b, [](at::Tensor& copy, const at::Tensor& other) { return copy.sub_(other).square_().sum(); });
}

// Runs on autograd's thread when the gradient of one tensor is complete.
class GradientReduction::Hook : public torch::autograd::PostAccumulateGradHook {
 public:
  Hook(size_t tensor, const Reduce& reduce) : tensor_(tensor), reduce_(reduce) {}

  void operator()(const at::Tensor& parameter) override {
    // A checkpointed function that did not need the parameter, because its branch is dropped, passes no gradient on.
    if (!parameter.grad().defined()) return;
    const at::NoGradGuard no_grad;
    reduce_(tensor_, parameter, parameter.grad());
    parameter.mutable_grad().reset();
  }

 private:
  const size_t tensor_;
  const Reduce& reduce_;
};

GradientReduction::GradientReduction(const NamedParameters& parameters, const std::vector<bool>& measured,
                                     Reduce reduce)
    : reduce_(std::move(reduce)) {
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!measured[i]) continue;
    set_aside_.emplace_back(parameters[i].second, std::make_unique<Hook>(i, reduce_));
    Swap(set_aside_.back());
  }
}

GradientReduction::~GradientReduction() {
  for (Entry& entry : set_aside_) Swap(entry);
}

void GradientReduction::Swap(Entry& entry) {
  std::swap(torch::autograd::impl::post_acc_grad_hooks(entry.first), entry.second);
}

}  // namespace greenplan::trainer
