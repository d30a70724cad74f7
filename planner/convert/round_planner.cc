#include "planner/convert/round_planner.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "planner/convert/convert.h"
#include "planner/convert/digest.h"
#include "planner/convert/validate.h"

namespace greenplan {
namespace {

using Clock = std::chrono::steady_clock;

// Stops at the time limit, which starts now, or when `cancelled` says so; empty if there is neither.
StopFunction StopWhen(const v1::PlanOptions& options, StopFunction cancelled) {
  if (!options.has_time_limit()) return cancelled;
  // Far beyond any planning, and far from the clock's overflow.
  constexpr std::chrono::seconds kLongest = std::chrono::hours(24 * 365);
  const auto limit = std::min<std::chrono::nanoseconds>(
      kLongest, std::chrono::seconds(std::min<int64_t>(options.time_limit().seconds(), kLongest.count())) +
                    std::chrono::nanoseconds(options.time_limit().nanos()));
  const Clock::time_point deadline = Clock::now() + limit;
  return [deadline, cancelled = std::move(cancelled)] {
    return Clock::now() >= deadline || (cancelled != nullptr && cancelled());
  };
}

absl::Status CheckDigest(absl::string_view field, const std::string& digest, const std::string& expected) {
  if (digest == expected) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(field, " is \"", digest, "\"; the profile's digest is ", expected));
}

// Core's view of a request; owns what Planner's request points to.
struct CoreRequest {
  PlanOptions options;
  std::optional<Measurements> measurements;
  std::optional<Plan> previous;
  StopFunction should_stop;

  PlanRequest View() const {
    return {.measurements = measurements.has_value() ? &*measurements : nullptr,
            .options = &options,
            .previous = previous.has_value() ? &*previous : nullptr,
            .should_stop = should_stop};
  }
};

absl::Status ReadReport(const RoundRequest& request, const ModelProfile& profile, const std::string& profile_digest,
                        CoreRequest& core) {
  if (request.report == nullptr) {
    if (core.options.method == Method::kFull) return absl::OkStatus();
    return absl::InvalidArgumentError("importance is missing; every method but full requires a report");
  }
  if (request.require_profile_digest || !request.report->profile_digest().empty()) {
    auto status = CheckDigest("profile_digest", request.report->profile_digest(), profile_digest);
    if (!status.ok()) return status;
  }
  auto measurements = MeasurementsFromProto(*request.report, profile, core.options.method);
  if (!measurements.ok()) return measurements.status();
  core.measurements = *std::move(measurements);
  return ValidatePenalty(core.options, *core.measurements);
}

absl::Status ReadPreviousPlan(const RoundRequest& request, const ModelProfile& profile,
                              const std::string& profile_digest, CoreRequest& core) {
  if (request.previous_plan == nullptr) return absl::OkStatus();
  if (!request.previous_plan->profile_digest().empty()) {
    auto status = CheckDigest("previous_plan.profile_digest", request.previous_plan->profile_digest(), profile_digest);
    if (!status.ok()) return status;
  }
  auto previous = PlanFromProto(*request.previous_plan, profile);
  if (!previous.ok()) {
    return absl::Status(previous.status().code(), absl::StrCat("previous_plan.", previous.status().message()));
  }
  core.previous = *std::move(previous);
  return absl::OkStatus();
}

absl::StatusOr<CoreRequest> ReadRequest(const RoundRequest& request, const v1::PlanOptions& options,
                                        const ModelProfile& profile, const std::string& profile_digest) {
  CoreRequest core;
  core.should_stop = StopWhen(options, request.cancelled);
  auto core_options = PlanOptionsFromProto(options, profile);
  if (!core_options.ok()) return core_options.status();
  core.options = *std::move(core_options);
  if (auto status = ReadReport(request, profile, profile_digest, core); !status.ok()) return status;
  if (auto status = ReadPreviousPlan(request, profile, profile_digest, core); !status.ok()) return status;
  return core;
}

}  // namespace

RoundPlanner::RoundPlanner(std::shared_ptr<const ModelProfile> profile, std::string profile_digest,
                           int64_t profile_revision)
    : planner_(std::move(profile)), profile_digest_(std::move(profile_digest)), profile_revision_(profile_revision) {}

absl::StatusOr<std::unique_ptr<RoundPlanner>> RoundPlanner::Create(const v1::ModelProfile& profile,
                                                                   int64_t profile_revision) {
  auto core_profile = ModelProfileFromProto(profile);
  if (!core_profile.ok()) return core_profile.status();
  return absl::WrapUnique(new RoundPlanner(std::make_shared<const ModelProfile>(*std::move(core_profile)),
                                           ProfileDigest(profile), profile_revision));
}

absl::Status RoundPlanner::ValidateOptions(const v1::PlanOptions& options) const {
  return PlanOptionsFromProto(options, profile()).status();
}

absl::StatusOr<v1::Plan> RoundPlanner::MakePlan(const RoundRequest& request) const {
  auto core = ReadRequest(request, *request.options, profile(), profile_digest_);
  if (!core.ok()) return core.status();
  auto plan = planner_.MakePlan(core->View());
  if (!plan.ok()) return plan.status();
  return PlanToProto(*plan, profile_digest_, profile_revision_);
}

absl::StatusOr<std::vector<v1::Plan>> RoundPlanner::MakeCurve(const RoundRequest& request,
                                                              const std::vector<v1::Budget>& budgets) const {
  if (budgets.empty()) return absl::InvalidArgumentError("budgets is empty; at least one is required");
  // Any valid budget will do for the options: MakeCurve ignores it.
  v1::PlanOptions options = *request.options;
  *options.mutable_budget() = budgets[0];
  auto core = ReadRequest(request, options, profile(), profile_digest_);
  if (!core.ok()) return core.status();
  std::vector<Budget> core_budgets;
  for (size_t i = 0; i < budgets.size(); ++i) {
    auto budget = BudgetFromProto(budgets[i], core->options.method);
    if (!budget.ok()) {
      return absl::Status(budget.status().code(), absl::StrCat("budgets[", i, "]: ", budget.status().message()));
    }
    core_budgets.push_back(*budget);
  }
  auto plans = planner_.MakeCurve(core->View(), core_budgets);
  if (!plans.ok()) return plans.status();
  std::vector<v1::Plan> messages;
  for (const Plan& plan : *plans) messages.push_back(PlanToProto(plan, profile_digest_, profile_revision_));
  return messages;
}

}  // namespace greenplan
