#include "planner/service/planner_engine.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "planner/convert/round_planner.h"
#include "planner/job/resource_names.h"

namespace greenplan {

PlannerEngine::PlannerEngine(Store* store, Options options)
    : store_(*store), options_(std::move(options)), jobs_(options_.max_cached_jobs) {}

absl::StatusOr<v1::Job> PlannerEngine::CreateJob(const v1::Job& request) {
  absl::StatusOr<std::shared_ptr<const JobPlanner>> planner = JobPlanner::Create(NewJob(request, options_.now()));
  if (!planner.ok()) return planner.status();
  const absl::Status put = store_.PutJob((*planner)->job());
  if (put.ok()) {
    jobs_.Insert(*planner);
    return (*planner)->job();
  }
  if (!absl::IsAlreadyExists(put)) return HideStoreError(put);
  absl::StatusOr<v1::Job> kept = store_.GetJob(request.name());
  if (!kept.ok()) return HideStoreError(kept.status());
  if (!SameContent(*kept, request)) return JobIsTaken(request.name());
  return kept;
}

absl::StatusOr<v1::Job> PlannerEngine::GetJob(const std::string& job_name) {
  absl::StatusOr<std::shared_ptr<const JobPlanner>> planner = FindJob(job_name);
  if (!planner.ok()) return planner.status();
  return (*planner)->job();
}

absl::StatusOr<v1::Plan> PlannerEngine::PlanRound(const std::string& job_name, const v1::ImportanceReport& report,
                                                  const StopFunction& cancelled) {
  const absl::StatusOr<std::shared_ptr<const JobPlanner>> planner = FindJob(job_name);
  if (!planner.ok()) return planner.status();
  if (absl::Status status = (*planner)->CheckReport(report); !status.ok()) return status;
  absl::StatusOr<v1::Plan> kept = FindPlanOf(job_name, report);
  if (!absl::IsNotFound(kept.status())) return kept;
  absl::StatusOr<v1::Plan> plan = MakePlan(**planner, report, cancelled);
  if (!plan.ok()) return plan;
  const absl::Status put = store_.PutRound(job_name, {report}, *plan);
  if (put.ok()) return plan;
  // Another call for this round was quicker; what it has kept is the answer.
  if (absl::IsAlreadyExists(put)) return FindPlanOf(job_name, report);
  return HideStoreError(put);
}

absl::StatusOr<v1::Plan> PlannerEngine::GetPlan(const std::string& plan_name) {
  const absl::StatusOr<PlanName> name = ParsePlanName(plan_name, "name");
  if (!name.ok()) return name.status();
  absl::StatusOr<v1::Plan> plan = store_.GetPlan(name->job_name, name->round);
  if (plan.ok()) return plan;
  if (absl::IsNotFound(plan.status())) return DoesNotExist(plan_name);
  return HideStoreError(plan.status());
}

absl::StatusOr<v1::Plan> PlannerEngine::Solve(const v1::SolveRequest& request, const StopFunction& cancelled) const {
  const absl::StatusOr<std::unique_ptr<RoundPlanner>> planner = RoundPlanner::Create(request.profile());
  if (!planner.ok()) return planner.status();
  return MakePlanUnlessCancelled(**planner,
                                 {.options = &request.options(),
                                  .report = request.has_importance() ? &request.importance() : nullptr,
                                  .previous_plan = request.has_previous_plan() ? &request.previous_plan() : nullptr,
                                  .cancelled = cancelled});
}

absl::StatusOr<std::shared_ptr<const JobPlanner>> PlannerEngine::FindJob(const std::string& job_name) {
  if (absl::Status status = ValidateJobName(job_name, "job"); !status.ok()) return status;
  if (std::shared_ptr<const JobPlanner> cached = jobs_.Find(job_name)) return cached;
  const absl::StatusOr<v1::Job> job = store_.GetJob(job_name);
  if (absl::IsNotFound(job.status())) return DoesNotExist(job_name);
  if (!job.ok()) return HideStoreError(job.status());
  absl::StatusOr<std::shared_ptr<const JobPlanner>> planner = JobPlanner::Create(*job);
  if (!planner.ok()) {
    return HideStoreError(
        absl::DataLossError(absl::StrCat(job_name, " was kept but is not valid: ", planner.status().message())));
  }
  jobs_.Insert(*planner);
  return planner;
}

absl::StatusOr<v1::Plan> PlannerEngine::FindPlanOf(const std::string& job_name, const v1::ImportanceReport& report) {
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

absl::StatusOr<v1::Plan> PlannerEngine::MakePlan(const JobPlanner& planner, const v1::ImportanceReport& report,
                                                 const StopFunction& cancelled) {
  if (report.round() == 0) return planner.MakePlan(report, nullptr, cancelled);
  const std::string& job_name = planner.job().name();
  const absl::StatusOr<v1::Plan> previous = store_.GetPlan(job_name, report.round() - 1);
  if (absl::IsNotFound(previous.status())) {
    return absl::FailedPreconditionError(absl::StrCat("report.round is ", report.round(), "; round ",
                                                      report.round() - 1, " of ", job_name, " has no plan yet"));
  }
  if (!previous.ok()) return HideStoreError(previous.status());
  return planner.MakePlan(report, &*previous, cancelled);
}

absl::Status PlannerEngine::HideStoreError(const absl::Status& status) const {
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
