#include "planner/core/plan_check.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace greenplan {
namespace {

template <typename... Parts>
absl::Status Broken(const Parts&... parts) {
  return absl::InternalError(absl::StrCat("the plan failed its last check: ", parts...));
}

absl::Status CheckMask(const ModelProfile& profile, const PlanLimits& limits, const Plan& plan) {
  if (plan.trainable.size() != profile.tensors.size()) {
    return Broken("trainable has ", plan.trainable.size(), " entries for ", profile.tensors.size(), " tensors");
  }
  size_t k = 0;
  for (const bool trains : plan.trainable) {
    if (trains && profile.tensors[k].op == kNone) return Broken("tensor ", k, " trains without an op");
    if (limits.pins[k] == (trains ? Pin::kNever : Pin::kAlways)) {
      return Broken("tensor ", k, trains ? " trains though it must not" : " does not train though it must");
    }
    ++k;
  }
  return absl::OkStatus();
}

absl::Status CheckRates(const PlanLimits& limits, const Plan& plan) {
  if (plan.drop_rates.size() != limits.min_rates.size()) {
    return Broken("drop_rates has ", plan.drop_rates.size(), " entries, not ", limits.min_rates.size());
  }
  for (size_t b = 0; b < plan.drop_rates.size(); ++b) {
    // False for a rate that is not a number, too.
    if (plan.drop_rates[b] >= limits.min_rates[b] && plan.drop_rates[b] <= limits.max_rates[b]) continue;
    return Broken("drop_rates[", b, "] is ", plan.drop_rates[b], ", its bounds ", limits.min_rates[b], " and ",
                  limits.max_rates[b]);
  }
  return absl::OkStatus();
}

absl::Status CheckCosts(const ModelProfile& profile, const PlanLimits& limits, const Plan& plan) {
  if (plan.predicted_cost != profile.forward_cost + plan.predicted_backward_cost || plan.predicted_backward_cost < 0) {
    return Broken("predicted_cost is ", plan.predicted_cost, ", predicted_backward_cost ",
                  plan.predicted_backward_cost);
  }
  if (plan.method == Method::kFull) return absl::OkStatus();
  if (limits.budget && plan.budget != *limits.budget) {
    return Broken("budget is ", plan.budget, "; the request's is ", *limits.budget);
  }
  if (plan.status == PlanStatus::kEmpty) {
    const bool trains = std::find(plan.trainable.begin(), plan.trainable.end(), true) != plan.trainable.end();
    return trains ? Broken("it is called empty, but trains something") : absl::OkStatus();
  }
  if (plan.predicted_cost > plan.budget) {
    return Broken("predicted_cost is ", plan.predicted_cost, "; the budget is ", plan.budget);
  }
  if (limits.max_saved_bytes && plan.saved_bytes > *limits.max_saved_bytes) {
    return Broken("saved_bytes is ", plan.saved_bytes, "; max_saved_bytes is ", *limits.max_saved_bytes);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckPlan(const ModelProfile& profile, const PlanLimits& limits, const Plan& plan, bool is_copy) {
  if (!is_copy) {
    if (absl::Status status = CheckMask(profile, limits, plan); !status.ok()) return status;
    if (absl::Status status = CheckRates(limits, plan); !status.ok()) return status;
  }
  if (absl::Status status = CheckCosts(profile, limits, plan); !status.ok()) return status;
  if (!std::isfinite(plan.value) || !std::isfinite(plan.upper_bound) || plan.value > plan.upper_bound) {
    return Broken("value is ", plan.value, ", upper_bound ", plan.upper_bound);
  }
  return absl::OkStatus();
}

}  // namespace greenplan
