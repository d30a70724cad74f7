#include "planner/service/what_if.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "planner/convert/convert.h"
#include "planner/convert/validate.h"
#include "planner/core/invalid_argument.h"
#include "planner/core/plan.h"
#include "planner/job/in_request.h"
#include "planner/job/prepared_profile.h"
#include "planner/service/round_average.h"

namespace greenplan {

// What is known of a round that has a plan.
struct WhatIf::Round {
  int64_t number = 0;
  std::shared_ptr<const PreparedJob> job;  // In the revision that the round was planned with.
  RoundAverage average;
};

namespace {

// What to plan, read against the profile that it is to be planned for.
struct Curve {
  PlanOptions options;
  std::vector<Budget> budgets;
};

// An error about the field "budget", or one inside it, as one about `name`, which is "budgets" or one of them.
absl::Status NameBudgets(const std::string& name, const absl::Status& status) {
  const std::string field = FieldOf(status);
  absl::string_view inside = field, message = status.message();
  if (!absl::ConsumePrefix(&inside, "budget") || !absl::ConsumePrefix(&message, "budget")) return status;
  if (!inside.empty() && inside.front() != '.') return status;  // It is "budgets".
  return WithField(absl::Status(status.code(), absl::StrCat(name, message)), absl::StrCat(name, inside));
}

// `path` is where the options are.
absl::StatusOr<Curve> ReadCurve(const PreparedProfile& profile, v1::PlanOptions options, absl::string_view path,
                                const v1::WhatIfRequest& request) {
  if (request.budgets().empty()) return InvalidArgument("budgets", " is empty; at least one is required");
  *options.mutable_budget() = request.budgets(0);
  const absl::StatusOr<Method> method = MethodFromProto(options);
  if (!method.ok()) return InRequest(path, method.status());
  Curve curve;
  for (int i = 0; i < request.budgets_size(); ++i) {
    const absl::StatusOr<Budget> budget = BudgetFromProto(request.budgets(i), *method);
    if (!budget.ok()) return NameBudgets(absl::StrCat("budgets[", i, "]"), budget.status());
    curve.budgets.push_back(*budget);
  }
  absl::StatusOr<PlanOptions> read = profile.ReadOptions(options);
  if (!read.ok()) return InRequest(path, read.status());
  curve.options = *std::move(read);
  return curve;
}

// An error of planning. Unless it is about the budgets or the lack of importance, it is about the options at `path`.
absl::Status NamePart(absl::string_view path, const absl::Status& planning) {
  const absl::Status status = NameBudgets("budgets", planning);
  const std::string field = FieldOf(status);
  return absl::StartsWith(field, "budgets") || field == "importance" ? status : InRequest(path, status);
}

// `path` is where the options of the curve are.
absl::StatusOr<v1::WhatIfResponse> MakeResponse(const PreparedProfile& profile, const Curve& curve,
                                                absl::string_view path, const Measurements* measurements,
                                                const CallLimits& limits) {
  const PlanRequest request = {.measurements = measurements, .options = &curve.options};
  const absl::StatusOr<std::vector<Plan>> plans = MakeCurve(profile.planner(), request, curve.budgets, limits);
  if (!plans.ok()) return NamePart(path, plans.status());
  v1::WhatIfResponse response;
  for (const Plan& plan : *plans) *response.add_plans() = profile.WritePlan(plan);
  return response;
}

absl::StatusOr<v1::WhatIfResponse> AnswerInline(const v1::WhatIfRequest& request, const CallLimits& limits) {
  if (request.has_round()) {
    return InvalidArgument("round", " is ", request.round(), "; allowed: together with job only");
  }
  if (!request.has_profile()) return InvalidArgument("profile", " is missing; required with importance");
  const absl::StatusOr<std::shared_ptr<const PreparedProfile>> profile = PreparedProfile::Create(request.profile());
  if (!profile.ok()) return InRequest("profile", profile.status());
  constexpr absl::string_view kOptions = "options";
  const absl::StatusOr<Curve> curve = ReadCurve(**profile, request.options(), kOptions, request);
  if (!curve.ok()) return curve.status();
  if (!request.has_importance()) return MakeResponse(**profile, *curve, kOptions, nullptr, limits);
  const absl::StatusOr<Measurements> measurements = (*profile)->ReadReport(request.importance(), curve->options);
  if (!measurements.ok()) return ReportInRequest("importance", kOptions, measurements.status());
  return MakeResponse(**profile, *curve, kOptions, &*measurements, limits);
}

// The mean over the ranks, as a report.
v1::ImportanceReport WriteAverage(int64_t round, const PreparedProfile& profile, const RoundAverage& average) {
  v1::ImportanceReport report;
  report.set_round(round);
  report.set_profile_digest(profile.digest());
  const Measurements& measurements = average.measurements;
  if (average.has_importance) {
    report.mutable_importance()->Add(measurements.importance.begin(), measurements.importance.end());
    report.mutable_unmeasured()->Add(measurements.unmeasured.begin(), measurements.unmeasured.end());
  }
  report.mutable_sensitivity()->Add(measurements.sensitivity.begin(), measurements.sensitivity.end());
  return report;
}

}  // namespace

absl::StatusOr<v1::WhatIfResponse> WhatIf::Answer(const std::string& tenant, const v1::WhatIfRequest& request,
                                                  const CallLimits& limits) {
  const bool is_inline = request.has_profile() || request.has_importance();
  if (request.job().empty() && is_inline) return AnswerInline(request, limits);
  if (!request.job().empty() && !is_inline) return AnswerForJob(tenant, request, limits);
  return InvalidArgument("job",
                         request.job().empty() ? " is missing, and so are profile and importance"
                                               : " is set, and so is profile or importance",
                         "; allowed: either a job or inline data");
}

absl::StatusOr<v1::WhatIfResponse> WhatIf::AnswerForJob(const std::string& tenant, const v1::WhatIfRequest& request,
                                                        const CallLimits& limits) {
  const absl::StatusOr<FoundJob> found = jobs_.Find({tenant, request.job()}, "job");
  if (!found.ok()) return found.status();
  const absl::StatusOr<Round> round = FindRound(*found, request);
  if (!round.ok()) return round.status();
  // What the job is planned with now, unless its profile is another than the one that the ranks have measured.
  const bool is_of_this_profile = found->job->profile().digest() == round->job->profile().digest();
  const PreparedJob& job = is_of_this_profile ? *found->job : *round->job;
  const v1::PlanOptions& options = request.has_options() ? request.options() : job.job().options();
  const absl::string_view path = request.has_options() ? "options" : "job.options";
  const absl::StatusOr<Curve> curve = ReadCurve(job.profile(), options, path, request);
  if (!curve.ok()) return curve.status();
  if (SelectsTensors(curve->options.method) && !round->average.has_importance) {
    return absl::FailedPreconditionError(absl::StrCat("no rank of ", request.job(),
                                                      " has reported importance for round ", round->number,
                                                      ", which methods selection and joint need"));
  }
  const Measurements& measurements = round->average.measurements;
  absl::Status penalty = ValidatePenalty(curve->options, measurements);
  if (!penalty.ok()) return InRequest(path, penalty);
  absl::StatusOr<v1::WhatIfResponse> response = MakeResponse(job.profile(), *curve, path, &measurements, limits);
  if (response.ok()) *response->mutable_importance() = WriteAverage(round->number, job.profile(), round->average);
  return response;
}

absl::StatusOr<WhatIf::Round> WhatIf::FindRound(const FoundJob& found, const v1::WhatIfRequest& request) {
  if (request.has_round() && request.round() < 0) {
    return InvalidArgument("round", " is ", request.round(), "; must be >= 0");
  }
  const std::string& name = found.job->job().name();
  const absl::StatusOr<KeptPlan> kept =
      request.has_round() ? store_.GetPlan(found.id, request.round()) : store_.GetLatestPlan(found.id);
  if (absl::IsNotFound(kept.status())) {
    if (!request.has_round()) {
      return absl::FailedPreconditionError(absl::StrCat("no round of ", name, " is planned yet"));
    }
    return WithField(
        absl::FailedPreconditionError(absl::StrCat("round ", request.round(), " of ", name, " has no plan")), "round");
  }
  if (!kept.ok()) return HideStoreError(kept.status(), on_store_error_);
  Round round = {.number = kept->plan.round()};
  absl::StatusOr<std::shared_ptr<const PreparedJob>> job = jobs_.FindRevision(found, kept->plan.profile_revision());
  if (!job.ok()) return job.status();
  round.job = *std::move(job);
  absl::StatusOr<RoundAverage> average = AverageRound(store_, *round.job, found.id, round.number, kept->missing_ranks);
  if (absl::IsNotFound(average.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat("the reports for round ", round.number, " of ", name, " are kept no longer"));
  }
  if (!average.ok()) return HideStoreError(average.status(), on_store_error_);
  round.average = *std::move(average);
  return round;
}

}  // namespace greenplan
