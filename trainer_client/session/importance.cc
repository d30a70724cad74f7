#include "trainer_client/session/importance.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "ATen/core/grad_mode.h"
#include "ATen/ops/zeros.h"
#include "absl/strings/str_cat.h"
#include "c10/util/Exception.h"
#include "torch/csrc/autograd/function_hook.h"
#include "torch/csrc/autograd/variable.h"
#include "trainer_client/session/random_state.h"
#include "trainer_client/session/trainable.h"

namespace greenplan::trainer {
namespace {

using torch::autograd::PostAccumulateGradHook;

// Bounds the memory of the conversion to double.
constexpr int64_t kSliceElements = int64_t{1} << 20;

enum class Terms { kSigned, kAbsolute };

// sum of a_i * b_i, or of |a_i * b_i|, in double; a scalar on their device, so that nothing waits for it.
at::Tensor SumOfProducts(const at::Tensor& a, const at::Tensor& b, Terms terms) {
  at::Tensor sum = at::zeros({}, a.options().dtype(at::kDouble).requires_grad(false));
  const at::Tensor a_flat = a.reshape(-1), b_flat = b.reshape(-1);
  for (int64_t begin = 0; begin < a_flat.numel(); begin += kSliceElements) {
    const int64_t length = std::min(kSliceElements, a_flat.numel() - begin);
    at::Tensor products = a_flat.narrow(0, begin, length).to(at::kDouble, false, /*copy=*/true);
    products.mul_(b_flat.narrow(0, begin, length));
    if (terms == Terms::kAbsolute) products.abs_();
    sum.add_(products.sum());
  }
  return sum;
}

at::Tensor Importance(const ImportanceOptions& options, const at::Tensor& parameter, const at::Tensor& gradient) {
  switch (options.metric) {
    case v1::IMPORTANCE_METRIC_UPDATE_MAGNITUDE: {
      const at::Tensor update = options.update_rule->NextUpdate(parameter, gradient);
      return SumOfProducts(update, update, Terms::kSigned).sqrt();
    }
    case v1::IMPORTANCE_METRIC_GRADIENT_MAGNITUDE:
      return SumOfProducts(gradient, gradient, Terms::kSigned).sqrt();
    case v1::IMPORTANCE_METRIC_FISHER:
      return SumOfProducts(gradient, gradient, Terms::kSigned);
    case v1::IMPORTANCE_METRIC_SNIP:
      return SumOfProducts(gradient, parameter.detach(), Terms::kAbsolute);
    default:
      return SumOfProducts(gradient, options.update_rule->NextUpdate(parameter, gradient), Terms::kSigned).neg();
  }
}

// Runs on autograd's thread when the gradient of one tensor is complete.
class ReduceAndFree : public PostAccumulateGradHook {
 public:
  ReduceAndFree(const ImportanceOptions& options, at::Tensor& sum) : options_(options), sum_(sum) {}

  void operator()(const at::Tensor& parameter) override {
    at::NoGradGuard no_grad;
    const at::Tensor importance = Importance(options_, parameter, parameter.grad());
    sum_ = sum_.defined() ? sum_.add(importance) : importance;
    parameter.mutable_grad().reset();
  }

 private:
  const ImportanceOptions& options_;
  at::Tensor& sum_;
};

// Puts a hook on each measured tensor for as long as it lives; hooks of the user's are set aside meanwhile.
class HooksGuard {
 public:
  HooksGuard(const NamedParameters& parameters, const std::vector<bool>& measured, const ImportanceOptions& options,
             std::vector<at::Tensor>& sums) {
    for (size_t i = 0; i < parameters.size(); ++i) {
      if (!measured[i]) continue;
      set_aside_.emplace_back(parameters[i].second, std::make_unique<ReduceAndFree>(options, sums[i]));
      Swap(set_aside_.back());
    }
  }
  ~HooksGuard() {
    for (auto& entry : set_aside_) Swap(entry);
  }
  HooksGuard(const HooksGuard&) = delete;
  HooksGuard& operator=(const HooksGuard&) = delete;

 private:
  using Entry = std::pair<at::Tensor, std::unique_ptr<PostAccumulateGradHook>>;

  static void Swap(Entry& entry) { std::swap(torch::autograd::impl::post_acc_grad_hooks(entry.first), entry.second); }

  std::vector<Entry> set_aside_;
};

bool NeedsUpdateRule(v1::ImportanceMetric metric) {
  return metric == v1::IMPORTANCE_METRIC_UNSPECIFIED || metric == v1::IMPORTANCE_METRIC_GRADIENT_TIMES_UPDATE ||
         metric == v1::IMPORTANCE_METRIC_UPDATE_MAGNITUDE;
}

// [num_tensors]: importances summed over the batches, undefined for tensors that no gradient reached.
std::vector<at::Tensor> SumOverBatches(const NamedParameters& parameters, const std::vector<bool>& measured,
                                       const ImportanceOptions& options, const LossFunction& loss) {
  RandomStateGuard keep_random_state;
  TrainableGuard keep_trainable(parameters);
  SetTrainable(parameters, measured);
  std::vector<at::Tensor> sums(parameters.size());
  HooksGuard hooks(parameters, measured, options, sums);
  at::AutoGradMode record(true);
  for (int batch = 0; batch < options.probe_batches; ++batch) {
    const at::Tensor batch_loss = loss(batch);
    if (batch_loss.requires_grad()) batch_loss.backward();
  }
  return sums;
}

}  // namespace

absl::StatusOr<std::vector<double>> MeasureImportance(const NamedParameters& parameters,
                                                      const std::vector<bool>& measured,
                                                      const ImportanceOptions& options, const LossFunction& loss) {
  if (NeedsUpdateRule(options.metric) && options.update_rule == nullptr) {
    return absl::InvalidArgumentError("this importance metric needs the optimizer's update_rule, which is null");
  }
  std::vector<at::Tensor> sums;
  try {
    sums = SumOverBatches(parameters, measured, options, loss);
  } catch (const c10::Error& error) {
    return absl::InternalError(absl::StrCat("the importance probe failed: ", error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("the importance probe failed: ", error.what()));
  }
  std::vector<double> importance(parameters.size(), 0.0);
  for (size_t i = 0; i < sums.size(); ++i) {
    if (!sums[i].defined()) continue;
    importance[i] = sums[i].item<double>() / options.probe_batches;
    if (!std::isfinite(importance[i])) {
      return absl::FailedPreconditionError(absl::StrCat("the importance of ", parameters[i].first, " is ",
                                                        importance[i], "; the loss or the weights have diverged"));
    }
  }
  return importance;
}

}  // namespace greenplan::trainer
