#include "planner/service/job_engine.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/prepared_profile.h"
#include "planner/job/resource_names.h"

namespace greenplan {

JobEngine::JobEngine(Store* store, Options options)
    : store_(*store), options_(std::move(options)), jobs_(options_.max_cached_bytes) {}

absl::StatusOr<v1::Job> JobEngine::CreateJob(const v1::Job& request) {
  absl::StatusOr<std::shared_ptr<const PreparedJob>> job = PreparedJob::Create(NewJob(request, options_.now()));
  if (!job.ok()) return job.status();
  const absl::Status put = store_.PutJob((*job)->job());
  if (put.ok()) {
    jobs_.Insert(*job);
    return (*job)->job();
  }
  if (!absl::IsAlreadyExists(put)) return HideStoreError(put);
  absl::StatusOr<v1::Job> kept = store_.GetJob(request.name());
  if (!kept.ok()) return HideStoreError(kept.status());
  if (!SameContent(*kept, request)) return JobIsTaken(request.name());
  return kept;
}

absl::StatusOr<v1::Job> JobEngine::GetJob(const std::string& job_name) {
  absl::StatusOr<std::shared_ptr<const PreparedJob>> job = FindJob(job_name);
  if (!job.ok()) return job.status();
  return (*job)->job();
}

absl::StatusOr<v1::Plan> JobEngine::PlanRound(const std::string& job_name, const v1::ImportanceReport& report,
                                              const CallLimits& limits) {
  const absl::StatusOr<std::shared_ptr<const PreparedJob>> job = FindJob(job_name);
  if (!job.ok()) return job.status();
  const absl::StatusOr<Measurements> measurements = (*job)->ReadReport(report);
  if (!measurements.ok()) return measurements.status();
  absl::StatusOr<v1::Plan> kept = FindPlanOf(job_name, report);
  if (!absl::IsNotFound(kept.status())) return kept;
  const absl::StatusOr<std::optional<v1::Plan>> previous = FindPreviousPlan(job_name, report.round());
  if (!previous.ok()) return previous.status();
  const v1::Plan* previous_plan = previous->has_value() ? &**previous : nullptr;
  absl::StatusOr<v1::Plan> plan = (*job)->PlanRound(report.round(), *measurements, previous_plan, limits);
  if (!plan.ok()) return plan;
  const absl::Status put = store_.PutRound(job_name, {report}, *plan);
  if (put.ok()) return plan;
  // Another call for this round was quicker; what it has kept is the answer.
  if (absl::IsAlreadyExists(put)) return FindPlanOf(job_name, report);
  return HideStoreError(put);
}

absl::StatusOr<v1::Plan> JobEngine::GetPlan(const std::string& plan_name) {
  const absl::StatusOr<PlanName> name = ParsePlanName(plan_name, "name");
  if (!name.ok()) return name.status();
  absl::StatusOr<v1::Plan> plan = store_.GetPlan(name->job_name, name->round);
  if (plan.ok()) return plan;
  if (absl::IsNotFound(plan.status())) return DoesNotExist(plan_name);
  return HideStoreError(plan.status());
}

absl::StatusOr<v1::Plan> JobEngine::Solve(const v1::SolveRequest& request, const CallLimits& limits) const {
  const absl::StatusOr<std::shared_ptr<const PreparedProfile>> profile = PreparedProfile::Create(request.profile());
  if (!profile.ok()) return profile.status();
  const absl::StatusOr<PlanOptions> options = (*profile)->ReadOptions(request.options());
  if (!options.ok()) return options.status();
  PlanRequest plan_request{.options = &*options};
  absl::StatusOr<Measurements> measurements;
  if (request.has_importance()) {
    measurements = (*profile)->ReadReport(request.importance(), *options);
    if (!measurements.ok()) return measurements.status();
    plan_request.measurements = &*measurements;
  }
  absl::StatusOr<Plan> previous;
  if (request.has_previous_plan()) {
    previous = (*profile)->ReadPlan(request.previous_plan());
    if (!previous.ok()) return InsideField("previous_plan.", previous.status());
    plan_request.previous = &*previous;
  }
  const absl::StatusOr<Plan> plan = MakePlan((*profile)->planner(), plan_request, limits, AtDeadline::kAnswerBest);
  if (!plan.ok()) return plan.status();
  return (*profile)->WritePlan(*plan);
}

absl::StatusOr<std::shared_ptr<const PreparedJob>> JobEngine::FindJob(const std::string& job_name) {
  if (absl::Status status = ValidateJobName(job_name, "job"); !status.ok()) return status;
  if (std::shared_ptr<const PreparedJob> cached = jobs_.Find(job_name)) return cached;
  const absl::StatusOr<v1::Job> kept = store_.GetJob(job_name);
  if (absl::IsNotFound(kept.status())) return DoesNotExist(job_name);
  if (!kept.ok()) return HideStoreError(kept.status());
  absl::StatusOr<std::shared_ptr<const PreparedJob>> job = PreparedJob::Create(*kept);
  if (!job.ok()) {
    return HideStoreError(
        absl::DataLossError(absl::StrCat(job_name, " was kept but is not valid: ", job.status().message())));
  }
  jobs_.Insert(*job);
  return job;
}

absl::StatusOr<v1::Plan> JobEngine::FindPlanOf(const std::string& job_name, const v1::ImportanceReport& report) {
  absl::StatusOr<v1::Plan> plan = store_.GetPlan(job_name, report.round());
  if (absl::IsNotFound(plan.status())) return plan;
  if (!plan.ok()) return HideStoreError(plan.status());
  const absl::StatusOr<std::vector<v1::ImportanceReport>> reports = store_.ListReports(job_name, report.round());
  if (!reports.ok()) return HideStoreError(reports.status());
  for (const v1::ImportanceReport& kept : *reports) {
    if (kept.rank() == report.rank() && SameReport(kept, report)) return plan;
  }
  return ReportIsTaken(job_name, report);
}

absl::StatusOr<std::optional<v1::Plan>> JobEngine::FindPreviousPlan(const std::string& job_name, int64_t round) {
  if (round == 0) return std::nullopt;
  absl::StatusOr<v1::Plan> previous = store_.GetPlan(job_name, round - 1);
  if (absl::IsNotFound(previous.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat("report.round is ", round, "; round ", round - 1, " of ", job_name, " has no plan yet"));
  }
  if (!previous.ok()) return HideStoreError(previous.status());
  return *std::move(previous);
}

absl::Status JobEngine::HideStoreError(const absl::Status& status) const {
  if (options_.on_store_error) options_.on_store_error(status);
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return absl::UnavailableError("the planner's store cannot be reached; try again");
    case absl::StatusCode::kResourceExhausted:
      return absl::UnavailableError("the planner's store is full; try again once there is room");
    case absl::StatusCode::kDataLoss:
      return absl::InternalError("the planner's store is damaged; its log says where");
    default:
      return absl::InternalError("the planner's store failed; its log says how");
  }
}

}  // namespace greenplan
