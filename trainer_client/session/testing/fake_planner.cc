#include "trainer_client/session/testing/fake_planner.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "planner/convert/convert.h"
#include "planner/convert/digest.h"
#include "planner/core/cost.h"
#include "planner/core/plan.h"

namespace greenplan::trainer {
namespace {

absl::Status Away() { return absl::UnavailableError("the fake planner is away"); }

// InvalidArgument if `names` lacks one of `chosen`.
template <typename Chosen, typename Name>
absl::Status CheckNames(const Chosen& chosen, const std::vector<std::string>& names, const char* field,
                        const Name& name_of) {
  for (const auto& entry : chosen) {
    if (std::find(names.begin(), names.end(), name_of(entry)) != names.end()) continue;
    return absl::InvalidArgumentError(absl::StrCat(field, " has ", name_of(entry), ", which the profile does not"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::Job> FakePlanner::CreateJob(const v1::Job& job) {
  if (is_away) return Away();
  absl::StatusOr<ModelProfile> profile = ModelProfileFromProto(job.profile());
  if (!profile.ok()) return profile.status();
  profile_ = *std::move(profile);
  profile_digest_ = ProfileDigest(job.profile());
  created_jobs.push_back(job);
  v1::Job kept = job;
  kept.set_profile_revision(1);
  kept.set_profile_digest(profile_digest_);
  return kept;
}

absl::StatusOr<v1::Plan> FakePlanner::PlanRound(const std::string& job_name, const v1::ImportanceReport& report) {
  if (is_away) return Away();
  if (profile_digest_.empty()) return absl::NotFoundError(absl::StrCat(job_name, " does not exist"));
  std::vector<std::string> tensors;
  for (const Tensor& tensor : profile_.tensors) tensors.push_back(tensor.name);
  if (trainable.has_value()) {
    const absl::Status known = CheckNames(*trainable, tensors, "trainable", [](const auto& name) { return name; });
    if (!known.ok()) return known;
  }
  const absl::Status known =
      CheckNames(drop_rates, profile_.blocks, "drop_rates", [](const auto& rate) { return rate.first; });
  if (!known.ok()) return known;

  Plan plan{.method = drop_rates.empty() ? Method::kSelection : Method::kJoint, .status = PlanStatus::kOptimal};
  plan.trainable = FullMask(profile_);
  for (size_t k = 0; k < tensors.size(); ++k) {
    if (trainable.has_value() && !trainable->contains(tensors[k])) plan.trainable[k] = false;
  }
  for (size_t b = 0; b < profile_.blocks.size() && !drop_rates.empty(); ++b) {
    const auto rate = drop_rates.find(profile_.blocks[b]);
    plan.drop_rates.push_back(rate == drop_rates.end() ? 0 : rate->second);
  }
  plan.full_cost = profile_.forward_cost + EvaluateMask(profile_, FullMask(profile_)).backward_cost;
  plan.predicted_backward_cost = plan.drop_rates.empty()
                                     ? EvaluateMask(profile_, plan.trainable).backward_cost
                                     : ExpectedBackwardCost(profile_, plan.trainable, plan.drop_rates);
  plan.predicted_cost = profile_.forward_cost + plan.predicted_backward_cost;
  plan.budget = plan.full_cost;
  plan.saved_bytes = EvaluateMask(profile_, plan.trainable).saved_bytes;
  reports.push_back(report);
  v1::Plan message = PlanToProto(plan, profile_digest_, 1);
  message.set_name(absl::StrCat(job_name, "/plans/", report.round()));
  message.set_round(report.round());
  return plans_[message.name()] = message;
}

absl::StatusOr<v1::Plan> FakePlanner::GetPlan(const std::string& plan_name) {
  if (is_away) return Away();
  const auto plan = plans_.find(plan_name);
  if (plan == plans_.end()) return absl::NotFoundError(absl::StrCat(plan_name, " does not exist"));
  return plan->second;
}

absl::Status FakePlanner::ReportOutcome(const std::string& job_name, const v1::Outcome& outcome) {
  if (is_away) return Away();
  if (!plans_.contains(absl::StrCat(job_name, "/plans/", outcome.round()))) {
    return absl::FailedPreconditionError(absl::StrCat("round ", outcome.round(), " of ", job_name, " has no plan"));
  }
  outcomes.push_back(outcome);
  return absl::OkStatus();
}

}  // namespace greenplan::trainer
