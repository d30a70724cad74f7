#ifndef GREENPLAN_PLANNER_SERVICE_JOB_ENGINE_H_
#define GREENPLAN_PLANNER_SERVICE_JOB_ENGINE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/job.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "greenplan/v1/planner_service.pb.h"
#include "planner/job/planning.h"
#include "planner/job/prepared_job.h"
#include "planner/service/job_cache.h"
#include "planner/store/store.h"

namespace greenplan {

// The planner service without its transport: jobs and their rounds over a store.
//
//   JobEngine engine(store.get(), {});
//   absl::StatusOr<v1::Job> job = engine.CreateJob(request.job());
//   absl::StatusOr<v1::Plan> plan = engine.PlanRound("jobs/a", report, limits);
//
// Every plan that PlanRound answers is in the store already, so a crash loses none, and whoever asks again gets it.
// The errors are those listed with each RPC in planner_service.proto. A failure of the store is told to
// Options::on_store_error; the caller learns that it happened, not where.
// Thread-safety: safe; calls for one round that race are decided by the store.
class JobEngine {
 public:
  struct Options {
    std::function<absl::Time()> now = absl::Now;
    std::function<void(const absl::Status&)> on_store_error;  // Called on the calling thread. Optional.
    // Of the jobs kept ready in memory, so that their rounds share what planning derives from their profiles.
    size_t max_cached_bytes = size_t{256} << 20;
  };

  // `store` must outlive the engine.
  JobEngine(Store* store, Options options);

  absl::StatusOr<v1::Job> CreateJob(const v1::Job& request);
  absl::StatusOr<v1::Job> GetJob(const std::string& job_name);

  // Keeps no plan that the limits cut short: Cancelled or DeadlineExceeded, and the round stays open.
  absl::StatusOr<v1::Plan> PlanRound(const std::string& job_name, const v1::ImportanceReport& report,
                                     const CallLimits& limits);
  absl::StatusOr<v1::Plan> GetPlan(const std::string& plan_name);

  // Answers the best plan found shortly before limits.deadline; Cancelled if the caller has gone.
  absl::StatusOr<v1::Plan> Solve(const v1::SolveRequest& request, const CallLimits& limits) const;

 private:
  absl::StatusOr<std::shared_ptr<const PreparedJob>> FindJob(const std::string& job_name);
  // The plan that this very report has had; NotFound if the round has none, AlreadyExists if it came of another.
  absl::StatusOr<v1::Plan> FindPlanOf(const std::string& job_name, const v1::ImportanceReport& report);
  // The plan in force at `round`: that of the round before; none at round 0. FailedPrecondition if it is not there yet.
  absl::StatusOr<std::optional<v1::Plan>> FindPreviousPlan(const std::string& job_name, int64_t round);
  // What a client may know of an error of the store.
  absl::Status HideStoreError(const absl::Status& status) const;

  Store& store_;
  const Options options_;
  JobCache jobs_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_JOB_ENGINE_H_
