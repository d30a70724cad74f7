#include <cmath>

#include "absl/strings/str_cat.h"
#include "planner/convert/convert.h"
#include "planner/convert/number_text.h"
#include "planner/convert/validate.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

absl::Status ValidateStandardError(const v1::ImportanceReport& message, size_t num_tensors) {
  const int size = message.standard_error_size();
  if (size != 0 && static_cast<size_t>(size) != num_tensors) {
    return InvalidArgument("standard_error", " has ", size, " entries; allowed: none, or one for each of the ",
                           num_tensors, " tensors");
  }
  for (int k = 0; k < size; ++k) {
    const double error = message.standard_error(k);
    if (!std::isfinite(error) || error < 0) {
      return InvalidArgument(absl::StrCat("standard_error[", k, "]"), " is ", NumberText(error),
                             "; allowed: a finite number >= 0");
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateLabels(const v1::ImportanceReport& message, size_t num_tensors) {
  if (message.round() < 0) return InvalidArgument("round", " is ", message.round(), "; allowed: an integer >= 0");
  if (message.rank() < 0) return InvalidArgument("rank", " is ", message.rank(), "; allowed: an integer >= 0");
  if (message.sample_count() < 0) {
    return InvalidArgument("sample_count", " is ", message.sample_count(), "; allowed: an integer >= 0");
  }
  if (!v1::ImportanceMetric_IsValid(message.metric())) {
    return InvalidArgument("metric", " is ", static_cast<int>(message.metric()), "; allowed: a number from 0 to ",
                           static_cast<int>(v1::ImportanceMetric_MAX));
  }
  return ValidateStandardError(message, num_tensors);
}

}  // namespace

absl::StatusOr<Measurements> MeasurementsFromProto(const v1::ImportanceReport& message, const ModelProfile& profile,
                                                   Method method) {
  if (auto status = ValidateLabels(message, profile.tensors.size()); !status.ok()) return status;
  Measurements measurements;
  measurements.importance.assign(message.importance().begin(), message.importance().end());
  measurements.unmeasured.assign(message.unmeasured().begin(), message.unmeasured().end());
  measurements.sensitivity.assign(message.sensitivity().begin(), message.sensitivity().end());
  if (!SelectsTensors(method) && measurements.importance.empty()) {
    measurements.importance.resize(profile.tensors.size(), 0);
  }
  if (auto status = ValidateMeasurements(measurements, profile); !status.ok()) return status;
  return measurements;
}

}  // namespace greenplan
