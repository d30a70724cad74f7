#include "trainer_client/session/gradient_reduction.h"

#include "ATen/core/grad_mode.h"
#include "torch/csrc/autograd/function_hook.h"
#include "torch/csrc/autograd/variable.h"

namespace greenplan::trainer {
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
