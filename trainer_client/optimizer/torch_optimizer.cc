#include "trainer_client/optimizer/torch_optimizer.h"

#include <cstddef>
#include <cstdint>
#include <unordered_map>

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

template <typename Class, typename Options, typename State>
class Wrapper : public Optimizer {
 public:
  Wrapper(Class& optimizer, NamedParameters parameters) : optimizer_(optimizer), parameters_(std::move(parameters)) {
    for (const torch::optim::OptimizerParamGroup& group : optimizer_.param_groups()) {
      for (const at::Tensor& parameter : group.params()) groups_[parameter.unsafeGetTensorImpl()] = &group;
    }
  }

  void Step() override { optimizer_.step(); }
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
      scratch.state()[copy.unsafeGetTensorImpl()] = Copy(static_cast<const State&>(*state->second));
    }
    scratch.step();
    return copy.sub_(parameter.detach());
  }

  Optimizer::State state() const override {
    Optimizer::State result;
    for (const auto& [name, parameter] : parameters_) {
      const auto found = optimizer_.state().find(parameter.unsafeGetTensorImpl());
      if (found == optimizer_.state().end()) continue;
      const Entries entries = EntriesOf(static_cast<State&>(*found->second));
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
    std::unordered_map<void*, std::unique_ptr<State>> loaded;
    size_t used = 0;
    for (const auto& [name, parameter] : parameters_) {
      auto of_parameter = std::make_unique<State>();
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
  static std::unique_ptr<State> Copy(const State& state) {
    auto copy = std::make_unique<State>(state);
    for (const auto& [entry, tensor] : EntriesOf(*copy).tensors) {
      if (tensor->defined()) *tensor = tensor->clone();
    }
    return copy;
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
