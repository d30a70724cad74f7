#include "trainer_client/optimizer/adamw.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_set>

#include "ATen/Parallel.h"
#include "ATen/core/grad_mode.h"
#include "ATen/ops/_foreach_add.h"
#include "ATen/ops/_fused_adamw.h"
#include "ATen/ops/empty_like.h"
#include "ATen/ops/scalar_tensor.h"
#include "ATen/ops/zeros.h"
#include "ATen/ops/zeros_like.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "trainer_client/optimizer/adamw_jit.h"
#include "trainer_client/optimizer/adamw_kernel.h"
#include "trainer_client/optimizer/distinct_parameters.h"
#include "trainer_client/optimizer/products.h"

namespace greenplan::trainer {
namespace {

constexpr absl::string_view kExpAvg = ".exp_avg";
constexpr absl::string_view kExpAvgSq = ".exp_avg_sq";
constexpr absl::string_view kStep = ".step";

struct TensorLists {
  std::vector<at::Tensor> parameters, gradients, exp_avgs, exp_avg_sqs, steps;
};

// The kernel does not increment `steps` (in PyTorch the Python code does), so they must already count this step. On a
// GPU it takes tensors of one type only.
void ApplyFusedStep(const TensorLists& lists, const AdamWOptions& options) {
  at::_fused_adamw_(lists.parameters, lists.gradients, lists.exp_avgs, lists.exp_avg_sqs, /*max_exp_avg_sqs=*/{},
                    lists.steps, options.learning_rate, options.beta1, options.beta2, options.weight_decay,
                    options.epsilon, /*amsgrad=*/false, /*maximize=*/false);
}

at::Tensor NewStepCount(const at::Tensor& parameter) { return at::zeros({}, parameter.options().dtype(at::kFloat)); }

at::Tensor Slice(const at::Tensor& flat, int64_t begin, int64_t length) {
  return flat.narrow(0, begin, std::min(length, flat.numel() - begin));
}

AdamWStep KernelStep(const AdamWOptions& options, double step) {
  return {.decay = static_cast<float>(1 - options.learning_rate * options.weight_decay),
          .exp_avg_gain = static_cast<float>(1 - options.beta1),
          .exp_avg_sq_decay = static_cast<float>(options.beta2),
          .exp_avg_sq_gain = static_cast<float>(1 - options.beta2),
          .step_size = static_cast<float>(options.learning_rate / (1 - std::pow(options.beta1, step))),
          .bias_correction2_sqrt = static_cast<float>(std::sqrt(1 - std::pow(options.beta2, step))),
          .epsilon = static_cast<float>(options.epsilon)};
}

// The same as LibTorch's CUDA kernel has it: in float32 throughout, from options rounded to float32. With beta2 = 0.999
// its second bias correction is then up to 2e-5 off, which changes steps by half of that.
AdamWStep GpuKernelStep(const AdamWOptions& options, double step) {
  const auto learning_rate = static_cast<float>(options.learning_rate), beta1 = static_cast<float>(options.beta1),
             beta2 = static_cast<float>(options.beta2), count = static_cast<float>(step);
  return {.decay = 1 - learning_rate * static_cast<float>(options.weight_decay),
          .exp_avg_gain = 1 - beta1,
          .exp_avg_sq_decay = beta2,
          .exp_avg_sq_gain = 1 - beta2,
          .step_size = learning_rate / (1 - std::pow(beta1, count)),
          .bias_correction2_sqrt = std::sqrt(1 - std::pow(beta2, count)),
          .epsilon = static_cast<float>(options.epsilon)};
}

bool IsPlainFloat(const at::Tensor& tensor) {
  return tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.is_contiguous();
}

absl::Status CheckEntry(const AdamW::State& state, const std::string& name, at::IntArrayRef shape) {
  auto entry = state.find(name);
  if (entry == state.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("optimizer state lacks ", name, " but has other entries of the same parameter"));
  }
  if (entry->second.sizes() != shape) {
    return absl::InvalidArgumentError(absl::StrCat("optimizer state ", name, " has the shape [",
                                                   absl::StrJoin(entry->second.sizes(), ", "), "]; it must be [",
                                                   absl::StrJoin(shape, ", "), "]"));
  }
  return absl::OkStatus();
}

}  // namespace

AdamW::AdamW(NamedParameters parameters, const AdamWOptions& options)
    : parameters_(DistinctParameters(std::move(parameters))), options_(options) {}

void AdamW::Step() {
  at::NoGradGuard no_grad;
  std::map<at::ScalarType, TensorLists> lists_by_type;
  for (const auto& [name, parameter] : parameters_) {
    const at::Tensor& gradient = parameter.grad();
    if (!gradient.defined()) continue;
    Moments& moments = moments_[parameter.unsafeGetTensorImpl()];
    if (!moments.step.defined()) {
      moments = {at::zeros_like(parameter), at::zeros_like(parameter), NewStepCount(parameter)};
    }
    TensorLists& lists = lists_by_type[parameter.scalar_type()];
    lists.parameters.push_back(parameter);
    lists.gradients.push_back(gradient.contiguous());
    lists.exp_avgs.push_back(moments.exp_avg);
    lists.exp_avg_sqs.push_back(moments.exp_avg_sq);
    lists.steps.push_back(moments.step);
    ++moments.steps_made;
  }
  last_learning_rate_ = options_.learning_rate;
  for (const auto& [type, lists] : lists_by_type) {
    at::_foreach_add_(lists.steps, 1);
    ApplyFusedStep(lists, options_);
  }
}

bool AdamW::Owns(const at::Tensor& parameter) const {
  return std::any_of(parameters_.begin(), parameters_.end(),
                     [&](const auto& entry) { return entry.second.is_same(parameter); });
}

void AdamW::ClearGradients() {
  for (auto& [name, parameter] : parameters_) parameter.mutable_grad().reset();
}

at::Tensor AdamW::NextUpdate(const at::Tensor& parameter, const at::Tensor& gradient) const {
  at::NoGradGuard no_grad;
  auto found = moments_.find(parameter.unsafeGetTensorImpl());
  const Moments* moments = found == moments_.end() ? nullptr : &found->second;
  at::Tensor step = (moments ? moments->step : NewStepCount(parameter)).add(1);
  at::Tensor old_flat = parameter.detach().view(-1);
  at::Tensor gradient_flat = gradient.contiguous().view(-1);
  at::Tensor update = at::empty_like(old_flat);
  // A multiple of every vector width. Otherwise the kernel's scalar tail, which rounds differently, could process
  // elements that it does not process in the real step.
  const int64_t slice = SliceElements(old_flat.device());
  for (int64_t begin = 0; begin < old_flat.numel(); begin += slice) {
    at::Tensor old_values = Slice(old_flat, begin, slice);
    at::Tensor new_values = Slice(update, begin, slice).copy_(old_values);
    auto scratch_of = [&](const at::Tensor& state) {
      return Slice(state.view(-1), begin, slice).to(old_flat.device(), state.scalar_type(), false, /*copy=*/true);
    };
    ApplyFusedStep({.parameters = {new_values},
                    .gradients = {Slice(gradient_flat, begin, slice)},
                    .exp_avgs = {moments ? scratch_of(moments->exp_avg) : at::zeros_like(new_values)},
                    .exp_avg_sqs = {moments ? scratch_of(moments->exp_avg_sq) : at::zeros_like(new_values)},
                    .steps = {step}},
                   options_);
    new_values.sub_(old_values);
  }
  return update.view(parameter.sizes());
}

at::Tensor AdamW::ProductWithNextUpdate(const at::Tensor& parameter, const at::Tensor& gradient,
                                        const at::Tensor& direction) const {
  const auto found = moments_.find(parameter.unsafeGetTensorImpl());
  const Moments* moments = found == moments_.end() ? nullptr : &found->second;
  const double step = (moments ? moments->steps_made : 0) + 1;
  if (IsPlainFloat(parameter) && IsPlainFloat(gradient) && IsPlainFloat(direction)) {
    const AdamWArrays arrays = {.parameter = parameter.const_data_ptr<float>(),
                                .gradient = gradient.const_data_ptr<float>(),
                                .exp_avg = moments ? moments->exp_avg.const_data_ptr<float>() : nullptr,
                                .exp_avg_sq = moments ? moments->exp_avg_sq.const_data_ptr<float>() : nullptr,
                                .count = parameter.numel()};
    return at::scalar_tensor(ProductWithAdamWUpdate(arrays, direction.const_data_ptr<float>(),
                                                    KernelStep(options_, step), at::get_num_threads()),
                             at::kDouble);
  }
  const at::Tensor product = ProductWithAdamWUpdateByJit({.parameter = parameter,
                                                          .gradient = gradient,
                                                          .exp_avg = moments ? moments->exp_avg : at::Tensor(),
                                                          .exp_avg_sq = moments ? moments->exp_avg_sq : at::Tensor()},
                                                         direction, GpuKernelStep(options_, step));
  return product.defined() ? product : UpdateRule::ProductWithNextUpdate(parameter, gradient, direction);
}

// With u = step_size * exp_avg / denominator the step was w' = decay * w - u, so that w' - w = -u - (w' + u) * (1 /
// decay - 1).
at::Tensor AdamW::LastUpdate(const at::Tensor& parameter) const {
  const at::NoGradGuard no_grad;
  const Moments& moments = moments_.at(parameter.unsafeGetTensorImpl());
  const double step = moments.steps_made;
  at::Tensor denominator =
      moments.exp_avg_sq.sqrt().div_(std::sqrt(1 - std::pow(options_.beta2, step))).add_(options_.epsilon);
  at::Tensor update = moments.exp_avg.div(denominator);
  update.mul_(-last_learning_rate_ / (1 - std::pow(options_.beta1, step)));
  const double decay = 1 - last_learning_rate_ * options_.weight_decay;
  if (decay == 1) return update;
  const double undone = 1 / decay - 1;
  return update.mul_(1 + undone).sub_(parameter.detach(), undone);
}

void AdamW::PlaceState(const std::vector<at::Tensor>& frozen, FrozenState policy) {
  std::unordered_set<const at::TensorImpl*> is_frozen;
  for (const at::Tensor& parameter : frozen) is_frozen.insert(parameter.unsafeGetTensorImpl());
  for (const auto& [name, parameter] : parameters_) {
    const auto found = moments_.find(parameter.unsafeGetTensorImpl());
    if (found == moments_.end()) continue;
    if (!is_frozen.contains(found->first) || policy == FrozenState::kKeep) {
      found->second.MoveTo(parameter.device());
    } else if (policy == FrozenState::kOffload) {
      found->second.MoveTo(at::kCPU);
    } else {
      moments_.erase(found);
    }
  }
}

AdamW::State AdamW::state() const {
  State state;
  for (const auto& [name, parameter] : parameters_) {
    auto found = moments_.find(parameter.unsafeGetTensorImpl());
    if (found == moments_.end()) continue;
    state[absl::StrCat(name, kExpAvg)] = found->second.exp_avg;
    state[absl::StrCat(name, kExpAvgSq)] = found->second.exp_avg_sq;
    state[absl::StrCat(name, kStep)] = found->second.step;
  }
  return state;
}

absl::Status AdamW::LoadState(const State& state) {
  std::unordered_map<const at::TensorImpl*, Moments> loaded;
  for (const auto& [name, parameter] : parameters_) {
    const std::string exp_avg = absl::StrCat(name, kExpAvg), exp_avg_sq = absl::StrCat(name, kExpAvgSq),
                      step = absl::StrCat(name, kStep);
    if (state.count(exp_avg) + state.count(exp_avg_sq) + state.count(step) == 0) continue;
    if (absl::Status status = CheckEntry(state, exp_avg, parameter.sizes()); !status.ok()) return status;
    if (absl::Status status = CheckEntry(state, exp_avg_sq, parameter.sizes()); !status.ok()) return status;
    if (absl::Status status = CheckEntry(state, step, {}); !status.ok()) return status;
    auto copy = [&](const std::string& entry, at::ScalarType type) {
      return state.at(entry).to(parameter.device(), type, /*non_blocking=*/false, /*copy=*/true).contiguous();
    };
    loaded[parameter.unsafeGetTensorImpl()] = {copy(exp_avg, parameter.scalar_type()),
                                               copy(exp_avg_sq, parameter.scalar_type()), copy(step, at::kFloat),
                                               state.at(step).item<double>()};
  }
  if (loaded.size() * 3 != state.size()) {
    return absl::InvalidArgumentError(absl::StrCat("optimizer state has ", state.size(), " entries, of which only ",
                                                   loaded.size() * 3, " belong to this model's parameters"));
  }
  moments_ = std::move(loaded);
  return absl::OkStatus();
}

}  // namespace greenplan::trainer
