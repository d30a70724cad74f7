#include "planner/client/local_connection.h"

#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/outcomes.h"
#include "planner/job/planning.h"
#include "planner/job/prepared_job.h"
#include "planner/job/resource_names.h"

namespace greenplan {
namespace {

struct Round {
  std::optional<v1::ImportanceReport> report;  // Absent: the plan was restored.
  v1::Plan plan;
  std::optional<v1::Outcome> outcome;
};

struct LocalJob {
  std::shared_ptr<const PreparedJob> prepared;
  std::map<int64_t, Round> rounds;
};

class LocalConnection : public Connection {
 public:
  explicit LocalConnection(absl::Duration timeout) : timeout_(timeout) {}

  absl::StatusOr<v1::Job> CreateJob(const v1::Job& request) override {
    absl::StatusOr<std::shared_ptr<const PreparedJob>> prepared = PreparedJob::Create(NewJob(request, absl::Now()));
    if (!prepared.ok()) return prepared.status();
    if (absl::Status status = (*prepared)->CheckOptions(); !status.ok()) return status;
    if (request.world_size() > 1) {
      return InvalidArgument("job.world_size", " is ", request.world_size(),
                             "; must be 1 with a planner in this process, which no other rank can reach");
    }
    absl::MutexLock lock(&mutex_);
    const LocalJob& job = jobs_.try_emplace(request.name(), LocalJob{*std::move(prepared), {}}).first->second;
    if (!SameContent(job.prepared->job(), request)) return JobIsTaken(request.name());
    return job.prepared->job();
  }

  // Plans under the lock: one training process asks for one plan at a time.
  absl::StatusOr<v1::Plan> PlanRound(const std::string& job_name, const v1::ImportanceReport& report) override {
    const CallLimits limits = {.deadline = SteadyNow() + timeout_};
    absl::MutexLock lock(&mutex_);
    absl::StatusOr<LocalJob*> job = FindJob(job_name);
    if (!job.ok()) return job.status();
    const absl::StatusOr<Measurements> measurements = (*job)->prepared->ReadReport(report);
    if (!measurements.ok()) return measurements.status();
    std::map<int64_t, Round>& rounds = (*job)->rounds;
    const auto at = rounds.lower_bound(report.round());
    if (at != rounds.end() && at->first == report.round()) {
      if (at->second.report.has_value() && SameReport(*at->second.report, report)) return at->second.plan;
      return ReportIsTaken(job_name, report);
    }
    const v1::Plan* previous_plan = at == rounds.begin() ? nullptr : &std::prev(at)->second.plan;
    absl::StatusOr<v1::Plan> plan = (*job)->prepared->PlanRound(report.round(), *measurements, previous_plan, limits);
    if (plan.ok()) rounds.emplace_hint(at, report.round(), Round{report, *plan, std::nullopt});
    return plan;
  }

  absl::StatusOr<v1::Plan> GetPlan(const std::string& plan_name) override {
    const absl::StatusOr<PlanName> name = ParsePlanName(plan_name, "name");
    if (!name.ok()) return name.status();
    absl::MutexLock lock(&mutex_);
    const absl::StatusOr<LocalJob*> job = FindJob(name->job_name);
    if (!job.ok()) return job.status();
    const auto round = (*job)->rounds.find(name->round);
    if (round == (*job)->rounds.end()) return DoesNotExist(plan_name);
    return round->second.plan;
  }

  absl::Status ReportOutcome(const std::string& job_name, const v1::Outcome& outcome) override {
    absl::MutexLock lock(&mutex_);
    const absl::StatusOr<LocalJob*> job = FindJob(job_name);
    if (!job.ok()) return job.status();
    if (absl::Status status = ValidateOutcome(outcome, (*job)->prepared->job().world_size()); !status.ok()) {
      return status;
    }
    const auto round = (*job)->rounds.find(outcome.round());
    if (round == (*job)->rounds.end()) return OutcomeWithoutPlan(job_name, outcome);
    std::optional<v1::Outcome>& kept = round->second.outcome;
    if (!kept.has_value()) kept = outcome;
    return SameOutcome(*kept, outcome) ? absl::OkStatus() : OutcomeIsTaken(job_name, outcome);
  }

  absl::Status RestorePlan(const std::string& job_name, const v1::Plan& plan) override {
    absl::MutexLock lock(&mutex_);
    const absl::StatusOr<LocalJob*> job = FindJob(job_name);
    if (!job.ok()) return job.status();
    const absl::StatusOr<Plan> valid = (*job)->prepared->profile().ReadPlan(plan);
    if (!valid.ok()) return InsideField("plan.", valid.status());
    (*job)->rounds.try_emplace(plan.round(), Round{std::nullopt, plan, std::nullopt});
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<LocalJob*> FindJob(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (absl::Status status = ValidateJobName(name, "job"); !status.ok()) return status;
    const auto job = jobs_.find(name);
    if (job == jobs_.end()) return DoesNotExist(name);
    return &job->second;
  }

  const absl::Duration timeout_;
  absl::Mutex mutex_;
  std::map<std::string, LocalJob> jobs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Connection> NewLocalConnection(absl::Duration timeout) {
  return std::make_unique<LocalConnection>(timeout);
}

}  // namespace greenplan
