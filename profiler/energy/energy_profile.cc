#include "profiler/energy/energy_profile.h"

#include <cmath>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace greenplan::profiler {
namespace {

constexpr int64_t kMaxTotal = int64_t{1} << 62;

// Turns costs into microjoules and checks that their sum stays within the limit of a profile.
class Conversion {
 public:
  explicit Conversion(double watts) : watts_(watts) {}

  void Convert(int64_t& cost) {
    const double microjoules = static_cast<double>(cost) * watts_ / 1e3;
    is_too_large_ = is_too_large_ || microjoules >= static_cast<double>(kMaxTotal);
    if (is_too_large_) return;
    cost = std::llround(microjoules);
    is_too_large_ = cost > kMaxTotal - total_;
    if (!is_too_large_) total_ += cost;
  }

  bool is_too_large() const { return is_too_large_; }

 private:
  const double watts_;
  int64_t total_ = 0;
  bool is_too_large_ = false;
};

}  // namespace

absl::StatusOr<ModelProfile> EnergyProfile(const ModelProfile& time_profile, double watts) {
  if (time_profile.cost_unit != CostUnit::kNanoseconds) {
    return absl::InvalidArgumentError(
        "cost_unit is not nanoseconds; energy can be derived only from a profile of time");
  }
  if (!std::isfinite(watts) || watts <= 0) {
    return absl::InvalidArgumentError(absl::StrCat("watts is ", watts, "; allowed: a finite number > 0"));
  }
  ModelProfile profile = time_profile;
  profile.cost_unit = CostUnit::kMicrojoules;
  Conversion conversion(watts);
  conversion.Convert(profile.forward_cost);
  for (Op& op : profile.ops) {
    conversion.Convert(op.cost);
    for (Edge& edge : op.inputs) conversion.Convert(edge.cost);
  }
  for (Tensor& tensor : profile.tensors) conversion.Convert(tensor.weight_grad_cost);
  if (conversion.is_too_large()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "watts is ", watts,
        "; with it the costs would add up to more than 2^62 microjoules, the most that a profile may hold"));
  }
  return profile;
}

}  // namespace greenplan::profiler
