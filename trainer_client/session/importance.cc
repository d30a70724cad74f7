#include "trainer_client/session/importance.h"

#include <cstddef>
#include <utility>

#include "ATen/core/grad_mode.h"
#include "absl/strings/str_cat.h"
#include "trainer_client/optimizer/products.h"
#include "trainer_client/session/gradient_reduction.h"
#include "trainer_client/session/random_state.h"
#include "trainer_client/session/trainable.h"
#include "trainer_client/session/without_exceptions.h"

namespace greenplan::trainer {
namespace {

at::Tensor TensorImportance(const ImportanceOptions& options, const at::Tensor& parameter, const at::Tensor& gradient) {
  switch (options.metric) {
    case v1::IMPORTANCE_METRIC_UPDATE_MAGNITUDE: {
      const at::Tensor update = options.update_rule->NextUpdate(parameter, gradient);
      return SumOfProducts(update, update).sqrt();
    }
    case v1::IMPORTANCE_METRIC_GRADIENT_MAGNITUDE:
      return SumOfProducts(gradient, gradient).sqrt();
    case v1::IMPORTANCE_METRIC_FISHER:
      return SumOfProducts(gradient, gradient);
    case v1::IMPORTANCE_METRIC_SNIP:
      return SumOfAbsoluteProducts(gradient, parameter.detach());
    default:
      return options.update_rule->ProductWithNextUpdate(parameter, gradient, gradient).neg();
  }
}

bool NeedsUpdateRule(v1::ImportanceMetric metric) {
  return metric == v1::IMPORTANCE_METRIC_UNSPECIFIED || metric == v1::IMPORTANCE_METRIC_GRADIENT_TIMES_UPDATE ||
         metric == v1::IMPORTANCE_METRIC_UPDATE_MAGNITUDE || metric == v1::IMPORTANCE_METRIC_CROSS_FITTED;
}

bool IsCrossFitted(const ImportanceOptions& options) { return options.metric == v1::IMPORTANCE_METRIC_CROSS_FITTED; }

// Adds the pairs of this batch with every earlier one, and keeps its gradient for those to come.
void AddPairs(const UpdateRule& rule, const at::Tensor& parameter, const at::Tensor& gradient, bool is_last,
              std::vector<at::Tensor>& earlier, std::vector<at::Tensor>& samples) {
  for (const at::Tensor& other : earlier) {
    samples.push_back(rule.ProductWithNextUpdate(parameter, gradient, other).neg());
    samples.push_back(rule.ProductWithNextUpdate(parameter, other, gradient).neg());
  }
  if (!is_last) earlier.push_back(gradient);
}

ImportanceSamples RunProbe(const NamedParameters& parameters, const std::vector<bool>& measured,
                           const ImportanceOptions& options, const LossFunction& loss) {
  const RandomStateGuard keep_random_state;
  const TrainableGuard keep_trainable(parameters);
  SetTrainable(parameters, measured);
  ImportanceSamples samples(parameters.size());
  std::vector<std::vector<at::Tensor>> earlier(parameters.size());
  int batch = 0;
  const GradientReduction reduction(parameters, measured,
                                    [&](size_t i, const at::Tensor& parameter, const at::Tensor& gradient) {
                                      if (IsCrossFitted(options)) {
                                        AddPairs(*options.update_rule, parameter, gradient,
                                                 batch + 1 == options.probe_batches, earlier[i], samples[i]);
                                      } else {
                                        samples[i].push_back(TensorImportance(options, parameter, gradient));
                                      }
                                    });
  const at::AutoGradMode record(true);
  for (; batch < options.probe_batches; ++batch) {
    const at::Tensor batch_loss = loss(batch);
    if (batch_loss.requires_grad()) batch_loss.backward();
  }
  return samples;
}

}  // namespace

absl::Status ValidateImportanceOptions(const ImportanceOptions& options) {
  if (NeedsUpdateRule(options.metric) && options.update_rule == nullptr) {
    return absl::InvalidArgumentError("this importance metric needs the optimizer's update_rule, which is null");
  }
  if (options.probe_batches < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("importance.probe_batches is ", options.probe_batches, "; it must be >= 1"));
  }
  if (IsCrossFitted(options) && options.probe_batches < 2) {
    return absl::InvalidArgumentError(absl::StrCat("importance.probe_batches is ", options.probe_batches,
                                                   "; the cross_fitted metric needs at least 2"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Importance> MeasureImportance(const NamedParameters& parameters, const std::vector<bool>& measured,
                                             const ImportanceOptions& options, const LossFunction& loss) {
  if (absl::Status status = ValidateImportanceOptions(options); !status.ok()) return status;
  return WithoutExceptions("the importance probe", [&] {
    const ImportanceSamples samples = RunProbe(parameters, measured, options, loss);
    const size_t batches = static_cast<size_t>(options.probe_batches);
    return Summarize(parameters, samples, IsCrossFitted(options) ? batches * (batches - 1) : batches);
  });
}

absl::StatusOr<Importance> ImportanceOfGradients(const NamedParameters& parameters, const std::vector<bool>& measured,
                                                 const ImportanceOptions& options) {
  if (IsCrossFitted(options)) {
    return absl::InvalidArgumentError(
        "importance.metric is cross_fitted, which needs gradients of two batches; use the separate probe");
  }
  if (absl::Status status = ValidateImportanceOptions(options); !status.ok()) return status;
  return WithoutExceptions("the importance probe", [&] {
    const at::NoGradGuard no_grad;
    ImportanceSamples samples(parameters.size());
    for (size_t i = 0; i < parameters.size(); ++i) {
      const at::Tensor& parameter = parameters[i].second;
      if (!measured[i] || !parameter.grad().defined()) continue;
      samples[i].push_back(TensorImportance(options, parameter, parameter.grad()));
    }
    return Summarize(parameters, samples, 1);
  });
}

}  // namespace greenplan::trainer
