#include "planner/job/report_average.h"

#include <algorithm>

namespace greenplan {

void ReportAverage::Add(const Measurements& measurements, int64_t sample_count) {
  const int64_t weight = std::max<int64_t>(sample_count, 1);
  auto unmeasured = measurements.unmeasured.begin();
  for (size_t k = 0; k < importance_.size(); ++k) {
    if (unmeasured != measurements.unmeasured.end() && static_cast<size_t>(*unmeasured) == k) {
      ++unmeasured;
    } else {
      importance_[k].Add(measurements.importance[k], weight);
    }
  }
  for (size_t b = 0; b < measurements.sensitivity.size(); ++b) sensitivity_[b].Add(measurements.sensitivity[b], weight);
}

Measurements ReportAverage::Result() const {
  Measurements result;
  result.importance.reserve(importance_.size());
  for (size_t k = 0; k < importance_.size(); ++k) {
    result.importance.push_back(importance_[k].Mean());
    if (!importance_[k].has_value()) result.unmeasured.push_back(static_cast<int>(k));
  }
  const bool has_sensitivity = !sensitivity_.empty() && sensitivity_[0].has_value();
  if (!has_sensitivity) return result;
  result.sensitivity.reserve(sensitivity_.size());
  for (const ExactMean& mean : sensitivity_) result.sensitivity.push_back(mean.Mean());
  return result;
}

}  // namespace greenplan
