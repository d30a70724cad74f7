#include "trainer_client/session/importance_samples.h"

#include <cmath>
#include <map>

#include "ATen/ops/stack.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace greenplan::trainer {
namespace {

// Returns the value of each sample, [num_tensors][samples of the tensor]. Samples of one device are copied together,
// because each copy waits until the device has done all its work.
std::vector<std::vector<double>> ValuesOf(const ImportanceSamples& samples) {
  struct OfDevice {
    std::vector<at::Tensor> scalars;
    std::vector<double*> values;
  };
  std::map<c10::DeviceIndex, OfDevice> by_device;
  std::vector<std::vector<double>> values(samples.size());
  for (size_t i = 0; i < samples.size(); ++i) {
    values[i].resize(samples[i].size());
    for (size_t k = 0; k < samples[i].size(); ++k) {
      OfDevice& of_device = by_device[samples[i][k].device().index()];
      of_device.scalars.push_back(samples[i][k]);
      of_device.values.push_back(&values[i][k]);
    }
  }
  for (const auto& [device, of_device] : by_device) {
    const at::Tensor on_host = at::stack(of_device.scalars).to(at::kCPU, at::kDouble);
    for (size_t j = 0; j < of_device.values.size(); ++j) *of_device.values[j] = on_host.const_data_ptr<double>()[j];
  }
  return values;
}

}  // namespace

absl::StatusOr<Importance> Summarize(const NamedParameters& parameters, const ImportanceSamples& samples,
                                     size_t sample_count) {
  Importance importance{.mean = std::vector<double>(parameters.size(), 0.0)};
  if (sample_count > 1) importance.standard_error.assign(parameters.size(), 0.0);
  const double count = static_cast<double>(sample_count);
  std::vector<std::vector<double>> values_of = ValuesOf(samples);
  for (size_t i = 0; i < samples.size(); ++i) {
    std::vector<double>& values = values_of[i];
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
