#include "trainer_client/session/importance_samples.h"

#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace greenplan::trainer {

absl::StatusOr<Importance> Summarize(const NamedParameters& parameters, const ImportanceSamples& samples,
                                     size_t sample_count) {
  Importance importance{.mean = std::vector<double>(parameters.size(), 0.0)};
  if (sample_count > 1) importance.standard_error.assign(parameters.size(), 0.0);
  const double count = static_cast<double>(sample_count);
  for (size_t i = 0; i < samples.size(); ++i) {
    std::vector<double> values;
    for (const at::Tensor& sample : samples[i]) values.push_back(sample.item<double>());
    values.resize(sample_count, 0.0);
    double& mean = importance.mean[i];
    for (double value : values) mean += value;
    mean /= count;
    if (!std::isfinite(mean)) {
      return absl::FailedPreconditionError(absl::StrCat("the importance of ", parameters[i].first, " is ", mean,
                                                        "; the loss or the weights have diverged"));
    }
    if (sample_count == 1) continue;
    double squares = 0;
    for (double value : values) squares += (value - mean) * (value - mean);
    importance.standard_error[i] = std::sqrt(squares / (count - 1) / count);
  }
  return importance;
}

}  // namespace greenplan::trainer
