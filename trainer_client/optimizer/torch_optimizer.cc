#include "trainer_client/optimizer/torch_optimizer.h"

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <unordered_set>

#include "ATen/core/grad_mode.h"
#include "ATen/ops/full.h"
#include "absl/strings/str_cat.h"
#include "torch/optim/adagrad.h"
#include "torch/optim/adam.h"
#include "torch/optim/adamw.h"
#include "torch/optim/rmsprop.h"
#include "torch/optim/sgd.h"

namespace greenplan::trainer {
namespace {

using NamedParameters = std::vector<std::pair<std::string, at::Tensor>>;

// The entries of a parameter's state: its tensors, those of them undefined that the options do without, and the number
// of its steps, null if the class does not count them.
struct Entries {
  std::vector<std::pair<const char*, at::Tensor*>> tensors;
  int64_t* step = nullptr;
};

template <typename AdamState>
Entries EntriesOfAdam(AdamState& state) {
  return {{{".exp_avg", &state.exp_avg()},
           {".exp_avg_sq", &state.exp_avg_sq()},
           {".max_exp_avg_sq", &state.max_exp_avg_sq()}},
          &state.step()};
}

Entries EntriesOf(torch::optim::AdamParamState& state) { return EntriesOfAdam(state); }
Entries EntriesOf(torch::optim::AdamWParamState& state) { return EntriesOfAdam(state); }
Entries EntriesOf(torch::optim::SGDParamState& state) {
  return {{{".momentum_buffer", &state.momentum_buffer()}}, nullptr};
}
Entries EntriesOf(torch::optim::RMSpropParamState& state) {
  return {{{".square_avg", &state.square_avg()},
           {".momentum_buffer", &state.momentum_buffer()},
           {".grad_avg", &state.grad_avg()}},
          &state.step()};
}
Entries EntriesOf(torch::optim::AdagradParamState& state) { return {{{".sum", &state.sum()}}, &state.step()}; }

template <typename Class, typename Options, typename ParamState>
class Wrapper : public Optimizer {
 public:
  Wrapper(Class& optimizer, NamedParameters parameters) : optimizer_(optimizer), parameters_(std::move(parameters)) {
    for (const torch::optim::OptimizerParamGroup& group : optimizer_.param_groups()) {
      for (const at::Tensor& parameter : group.params()) groups_[parameter.unsafeGetTensorImpl()] = &group;
    }
  }

  void Step() override { optimizer_.step(); }
  bool Owns(const at::Tensor& parameter) const override { return groups_.contains(parameter.unsafeGetTensorImpl()); }
  void ClearGradients() override { optimizer_.zero_grad(/*set_to_none=*/true); }

  void set_learning_rate(double learning_rate) override {
    for (torch::optim::OptimizerParamGroup& group : optimizer_.param_groups()) group.options().set_lr(learning_rate);
  }

  at::Tensor NextUpdate(const at::Tensor& parameter, const at::Tensor& gradient) const override {
    const at::AutoGradMode record(false);
    at::Tensor copy = parameter.detach().clone();
    copy.mutable_grad() = gradient;
    const auto& group = *groups_.at(parameter.unsafeGetTensorImpl());
    Class scratch(std::vector<at::Tensor>{copy}, static_cast<const Options&>(group.options()));
    const auto state = optimizer_.state().find(parameter.unsafeGetTensorImpl());
    if (state != optimizer_.state().end()) {
      scratch.state()[copy.unsafeGetTensorImpl()] = Copy(static_cast<const ParamState&>(*state->second), copy.device());
    }
    scratch.step();
    return copy.sub_(parameter.detach());
  }

  void PlaceState(const std::vector<at::Tensor>& frozen, FrozenState policy) override {
    std::unordered_set<const void*> is_frozen;
    for (const at::Tensor& parameter : frozen) is_frozen.insert(parameter.unsafeGetTensorImpl());
    for (const auto& [name, parameter] : parameters_) {
      const auto found = optimizer_.state().find(parameter.unsafeGetTensorImpl());
      if (found == optimizer_.state().end()) continue;
      if (policy == FrozenState::kDrop && is_frozen.contains(found->first)) {
        Forget(parameter);
        continue;
      }
      const bool leaves = policy == FrozenState::kOffload && is_frozen.contains(found->first);
      const at::Device device = leaves ? at::Device(at::kCPU) : parameter.device();
      for (const auto& [entry, tensor] : EntriesOf(static_cast<ParamState&>(*found->second)).tensors) {
        if (tensor->defined()) *tensor = tensor->to(device);
      }
    }
  }

  Optimizer::State state() const override {
    Optimizer::State result;
    for (const auto& [name, parameter] : parameters_) {
      const auto found = optimizer_.state().find(parameter.unsafeGetTensorImpl());
      if (found == optimizer_.state().end()) continue;
      const Entries entries = EntriesOf(static_cast<ParamState&>(*found->second));
      for (const auto& [entry, tensor] : entries.tensors) {
        if (tensor->defined()) result[absl::StrCat(name, entry)] = *tensor;
      }
      if (entries.step != nullptr) {
        result[absl::StrCat(name, ".step")] = at::full({}, static_cast<double>(*entries.step), at::kDouble);
      }
    }
    return result;
  }

  absl::Status LoadState(const Optimizer::State& state) override {
    std::unordered_map<void*, std::unique_ptr<ParamState>> loaded;
    size_t used = 0;
    for (const auto& [name, parameter] : parameters_) {
      auto of_parameter = std::make_unique<ParamState>();
      const Entries entries = EntriesOf(*of_parameter);
      size_t found = 0;
      for (const auto& [entry, tensor] : entries.tensors) {
        const auto value = state.find(absl::StrCat(name, entry));
        if (value == state.end()) continue;
        if (value->second.sizes() != parameter.sizes()) {
          return absl::InvalidArgumentError(
              absl::StrCat("optimizer state ", name, entry, " has another shape than its parameter"));
        }
        *tensor = value->second.to(parameter.device(), parameter.scalar_type(), false, /*copy=*/true);
        ++found;
      }
      if (entries.step != nullptr) {
        const auto value = state.find(absl::StrCat(name, ".step"));
        if ((value != state.end()) != (found > 0)) {
          return absl::InvalidArgumentError(
              absl::StrCat("optimizer state lacks ", found > 0 ? "" : "all but ", name, ".step"));
        }
        if (value != state.end()) {
          *entries.step = static_cast<int64_t>(value->second.template item<double>());
          ++found;
        }
      }
      if (found == 0) continue;
      used += found;
      loaded[parameter.unsafeGetTensorImpl()] = std::move(of_parameter);
    }
    if (used != state.size()) {
      return absl::InvalidArgumentError(absl::StrCat("optimizer state has ", state.size(), " entries, of which only ",
                                                     used, " belong to this optimizer's parameters"));
    }
    optimizer_.state().clear();
    for (auto& [parameter, of_parameter] : loaded) optimizer_.state()[parameter] = std::move(of_parameter);
    return absl::OkStatus();
  }

 private:
  // Copies of states share their tensors, which a step changes in place.
  static std::unique_ptr<ParamState> Copy(const ParamState& state, const at::Device& device) {
    auto copy = std::make_unique<ParamState>(state);
    for (const auto& [entry, tensor] : EntriesOf(*copy).tensors) {
      if (tensor->defined()) *tensor = tensor->to(device, tensor->scalar_type(), false, /*copy=*/true);
    }
    return copy;
  }

  // Gives the parameter the state that it has before its first step. Adagrad makes one in its constructor.
  void Forget(const at::Tensor& parameter) {
    const at::Tensor copy = parameter.detach();
    const auto& group = *groups_.at(parameter.unsafeGetTensorImpl());
    Class fresh(std::vector<at::Tensor>{copy}, static_cast<const Options&>(group.options()));
    const auto state = fresh.state().find(copy.unsafeGetTensorImpl());
    optimizer_.state().erase(parameter.unsafeGetTensorImpl());
    if (state == fresh.state().end()) return;
    optimizer_.state()[parameter.unsafeGetTensorImpl()] = std::move(state->second);
  }

  Class& optimizer_;
  const NamedParameters parameters_;
  std::unordered_map<const void*, const torch::optim::OptimizerParamGroup*> groups_;
};

absl::Status CheckNames(const torch::optim::Optimizer& optimizer, const NamedParameters& parameters) {
  std::unordered_map<const void*, bool> named;
  for (const auto& [name, parameter] : parameters) named[parameter.unsafeGetTensorImpl()] = true;
  size_t position = 0;
  for (const torch::optim::OptimizerParamGroup& group : optimizer.param_groups()) {
    for (const at::Tensor& parameter : group.params()) {
      if (!named.contains(parameter.unsafeGetTensorImpl())) {
        return absl::InvalidArgumentError(
            absl::StrCat("parameter ", position, " of the optimizer is not among the named parameters"));
      }
      ++position;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Optimizer>> WrapTorchOptimizer(torch::optim::Optimizer& optimizer,
                                                              NamedParameters parameters) {
  namespace optim = torch::optim;
  if (absl::Status status = CheckNames(optimizer, parameters); !status.ok()) return status;
  if (auto* sgd = dynamic_cast<optim::SGD*>(&optimizer)) {
    return std::make_unique<Wrapper<optim::SGD, optim::SGDOptions, optim::SGDParamState>>(*sgd, std::move(parameters));
  }
  if (auto* adam = dynamic_cast<optim::Adam*>(&optimizer)) {
    return std::make_unique<Wrapper<optim::Adam, optim::AdamOptions, optim::AdamParamState>>(*adam,
                                                                                             std::move(parameters));
  }
  if (auto* adamw = dynamic_cast<optim::AdamW*>(&optimizer)) {
    return std::make_unique<Wrapper<optim::AdamW, optim::AdamWOptions, optim::AdamWParamState>>(*adamw,
                                                                                                std::move(parameters));
  }
  if (auto* rmsprop = dynamic_cast<optim::RMSprop*>(&optimizer)) {
    return std::make_unique<Wrapper<optim::RMSprop, optim::RMSpropOptions, optim::RMSpropParamState>>(
        *rmsprop, std::move(parameters));
  }
  if (auto* adagrad = dynamic_cast<optim::Adagrad*>(&optimizer)) {
    return std::make_unique<Wrapper<optim::Adagrad, optim::AdagradOptions, optim::AdagradParamState>>(
        *adagrad, std::move(parameters));
  }
  return absl::InvalidArgumentError(
      "the optimizer is none of SGD, Adam, AdamW, RMSprop and Adagrad; teach the session another by a subclass of "
      "greenplan::trainer::Optimizer");
}

}  // namespace greenplan::trainer
