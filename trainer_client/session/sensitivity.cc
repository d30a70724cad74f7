#include "trainer_client/session/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <optional>
#include <utility>

#include "ATen/core/grad_mode.h"
#include "ATen/ops/zeros.h"
#include "absl/strings/str_cat.h"
#include "torch/csrc/autograd/autograd.h"
#include "trainer_client/optimizer/products.h"
#include "trainer_client/session/gradient_reduction.h"
#include "trainer_client/session/random_state.h"
#include "trainer_client/session/trainable.h"
#include "trainer_client/session/without_exceptions.h"

namespace greenplan::trainer {
namespace {

// [num_tensors]: undefined for tensors that no gradient reached.
using Gradients = std::vector<at::Tensor>;

double SquaredNorm(const Gradients& gradients) {
  double sum = 0;
  for (const at::Tensor& gradient : gradients) {
    if (gradient.defined()) sum += SumOfProducts(gradient, gradient).item<double>();
  }
  return sum;
}

class Probe {
 public:
  Probe(const NamedParameters& parameters, const std::vector<bool>& trainable,
        const std::vector<ResidualBranch>& branches, SensitivityDefinition definition)
      : parameters_(parameters),
        trainable_(trainable),
        branches_(branches),
        definition_(definition),
        outputs_(branches.size()),
        result_(branches.size(), 0.0) {}

  // The outputs of the forward pass that Measure() looks at.
  absl::Status TakeOutputs(const BranchOutputs& outputs) {
    for (size_t b = 0; b < branches_.size(); ++b) {
      const std::vector<at::Tensor>& of_branch = outputs.of(branches_[b]);
      if (of_branch.size() > 1) {
        return absl::InvalidArgumentError(absl::StrCat("the residual branch ", branches_[b].name(), " ran ",
                                                       of_branch.size(),
                                                       " times in one forward pass; declare a branch for each run"));
      }
      if (!of_branch.empty()) outputs_[b] = of_branch[0];
    }
    return absl::OkStatus();
  }

  // `forward_again` repeats the forward pass; null if it cannot be repeated.
  absl::StatusOr<std::vector<double>> Measure(const at::Tensor& loss,
                                              const std::function<at::Tensor()>& forward_again) {
    if (!loss.requires_grad()) return result_;
    std::vector<size_t> recorded, unrecorded;
    for (size_t b = 0; b < branches_.size(); ++b) {
      if (!outputs_[b].has_value()) continue;
      (outputs_[b]->defined() ? recorded : unrecorded).push_back(b);
    }
    if (!unrecorded.empty() && forward_again == nullptr) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the sensitivity of ", branches_[unrecorded[0]].name(),
          " cannot be measured in the step, because it runs within a checkpointed function; use the separate probe"));
    }
    if (definition_ == SensitivityDefinition::kNormDifference || !unrecorded.empty()) KeepGradients(loss);
    MeasureByFlow(loss, recorded);
    for (size_t b : unrecorded) MeasureByDropping(b, forward_again);
    for (size_t b = 0; b < branches_.size(); ++b) {
      if (std::isfinite(result_[b])) continue;
      return absl::FailedPreconditionError(absl::StrCat("the sensitivity of ", branches_[b].name(), " is ", result_[b],
                                                        "; the loss or the weights have diverged"));
    }
    return result_;
  }

 private:
  void KeepGradients(const at::Tensor& loss) {
    gradients_.resize(parameters_.size());
    const GradientReduction keep(parameters_, trainable_,
                                 [this](size_t i, const at::Tensor&, const at::Tensor& g) { gradients_[i] = g; });
    loss.backward({}, /*retain_graph=*/true);
    squared_norm_ = SquaredNorm(gradients_);
  }

  void MeasureByFlow(const at::Tensor& loss, const std::vector<size_t>& recorded) {
    std::vector<size_t> measured;
    std::vector<at::Tensor> outputs;
    for (size_t b : recorded) {
      if (!outputs_[b]->requires_grad()) continue;
      measured.push_back(b);
      outputs.push_back(*outputs_[b]);
    }
    if (measured.empty()) return;
    const std::vector<at::Tensor> flows =
        torch::autograd::grad({loss}, outputs, {}, /*retain_graph=*/true, /*create_graph=*/false,
                              /*allow_unused=*/true);
    for (size_t i = 0; i < measured.size(); ++i) {
      if (flows[i].defined()) result_[measured[i]] = OfFlow(outputs[i], flows[i]);
    }
  }

  // From d = g - g_b, the gradient of what flows into the branch.
  double OfFlow(const at::Tensor& output, const at::Tensor& flow) {
    at::Tensor squares = at::zeros({}, flow.options().dtype(at::kDouble)), products = squares.clone();
    {
      const GradientReduction reduction(parameters_, trainable_,
                                        [&](size_t i, const at::Tensor&, const at::Tensor& difference) {
                                          squares.add_(SumOfProducts(difference, difference));
                                          if (gradients_.empty()) return;
                                          products.add_(SumOfProducts(gradients_[i], difference));
                                        });
      output.backward(flow, /*retain_graph=*/true);
    }
    const double squared_difference = squares.item<double>();
    if (definition_ == SensitivityDefinition::kGradientDifference) return squared_difference;
    // ||g_b||^2 = ||g||^2 - 2 <g, d> + ||d||^2
    return SquaredNormDifference(squared_norm_ - 2 * products.item<double>() + squared_difference);
  }

  void MeasureByDropping(size_t b, const std::function<at::Tensor()>& forward_again) {
    branches_[b].set_dropped(true);
    const at::Tensor loss = forward_again();
    double squared_difference = squared_norm_, squared_norm = 0;
    if (loss.requires_grad()) {
      Gradients sums(parameters_.size()), distances(parameters_.size());
      const GradientReduction reduction(parameters_, trainable_,
                                        [&](size_t i, const at::Tensor&, const at::Tensor& gradient) {
                                          sums[i] = SumOfProducts(gradient, gradient);
                                          distances[i] = SquaredDistance(gradients_[i], gradient);
                                        });
      loss.backward();
      for (size_t i = 0; i < sums.size(); ++i) {
        if (!sums[i].defined()) continue;
        squared_norm += sums[i].item<double>();
        squared_difference += distances[i].item<double>() - SumOfProducts(gradients_[i], gradients_[i]).item<double>();
      }
    }
    branches_[b].set_dropped(false);
    result_[b] = definition_ == SensitivityDefinition::kGradientDifference ? std::max(squared_difference, 0.0)
                                                                           : SquaredNormDifference(squared_norm);
  }

  double SquaredNormDifference(double squared_norm_without) const {
    const double difference = std::sqrt(squared_norm_) - std::sqrt(std::max(squared_norm_without, 0.0));
    return difference * difference;
  }

  const NamedParameters& parameters_;
  const std::vector<bool>& trainable_;
  const std::vector<ResidualBranch>& branches_;
  const SensitivityDefinition definition_;
  // [branches.size()]: absent if the branch did not run, undefined if it ran within a checkpointed function, so that
  // its output belongs to a graph that is gone.
  std::vector<std::optional<at::Tensor>> outputs_;
  Gradients gradients_;  // g, if it is needed.
  double squared_norm_ = 0;
  std::vector<double> result_;
};

// Puts the branches back at the end of its scope; none is dropped meanwhile.
class KeepDropped {
 public:
  explicit KeepDropped(const std::vector<ResidualBranch>& branches) : branches_(branches) {
    for (const ResidualBranch& branch : branches_) {
      were_dropped_.push_back(branch.is_dropped());
      branch.set_dropped(false);
    }
  }
  ~KeepDropped() {
    for (size_t b = 0; b < branches_.size(); ++b) branches_[b].set_dropped(were_dropped_[b]);
  }
  KeepDropped(const KeepDropped&) = delete;
  KeepDropped& operator=(const KeepDropped&) = delete;

 private:
  const std::vector<ResidualBranch>& branches_;
  std::vector<bool> were_dropped_;
};

}  // namespace

absl::StatusOr<std::vector<double>> MeasureSensitivity(const NamedParameters& parameters,
                                                       const std::vector<bool>& trainable,
                                                       const std::vector<ResidualBranch>& branches,
                                                       SensitivityDefinition definition, const LossFunction& loss) {
  return WithoutExceptions("the sensitivity probe", [&]() -> absl::StatusOr<std::vector<double>> {
    const RandomState random_state = GetRandomState();
    const RandomStateGuard keep_random_state;
    const TrainableGuard keep_trainable(parameters);
    const KeepDropped keep_dropped(branches);
    SetTrainable(parameters, trainable);
    const at::AutoGradMode record(true);
    Probe probe(parameters, trainable, branches, definition);
    at::Tensor first_loss;
    {
      const BranchOutputs outputs(branches);
      first_loss = loss(0);
      if (absl::Status status = probe.TakeOutputs(outputs); !status.ok()) return status;
    }
    return probe.Measure(first_loss, [&] {
      SetRandomState(random_state);
      return loss(0);
    });
  });
}

absl::StatusOr<std::vector<double>> SensitivityOfLoss(const NamedParameters& parameters,
                                                      const std::vector<bool>& trainable,
                                                      const std::vector<ResidualBranch>& branches,
                                                      SensitivityDefinition definition, const BranchOutputs& outputs,
                                                      const at::Tensor& loss) {
  return WithoutExceptions("the sensitivity probe", [&]() -> absl::StatusOr<std::vector<double>> {
    Probe probe(parameters, trainable, branches, definition);
    if (absl::Status status = probe.TakeOutputs(outputs); !status.ok()) return status;
    return probe.Measure(loss, nullptr);
  });
}

}  // namespace greenplan::trainer
