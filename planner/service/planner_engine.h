#ifndef GREENPLAN_PLANNER_SERVICE_PLANNER_ENGINE_H_
#define GREENPLAN_PLANNER_SERVICE_PLANNER_ENGINE_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/job.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "greenplan/v1/planner_service.pb.h"
#include "planner/core/plan.h"
#include "planner/service/job_cache.h"
#include "planner/store/store.h"

namespace greenplan {

// The planner service without its transport: jobs and their rounds over a store.
//
//   PlannerEngine engine(store.get(), {});
//   absl::StatusOr<v1::Job> job = engine.CreateJob(request.job());
//   absl::StatusOr<v1::Plan> plan = engine.PlanRound("jobs/a", report, cancelled);
//
// Every plan that PlanRound answers is in the store already, so a crash loses none, and whoever asks again gets it.
// The errors are those listed with each RPC in planner_service.proto. A failure of the store is told to
// Options::on_store_error; the caller learns that it happened, not where.
// Thread-safety: safe; calls for one round that race are decided by the store.
class PlannerEngine {
 public:
  struct Options {
    std::function<absl::Time()> now = absl::Now;
    std::function<void(const absl::Status&)> on_store_error;  // Called on the calling thread. Optional.
    size_t max_cached_jobs = 64;  // Planners kept in memory: each takes about what its profile takes.
  };

  // `store` must outlive the engine.
  PlannerEngine(Store* store, Options options);

  absl::StatusOr<v1::Job> CreateJob(const v1::Job& request);
  absl::StatusOr<v1::Job> GetJob(const std::string& job_name);

  // `cancelled` is asked now and then; once it is true, the search ends, nothing is kept and the answer is Cancelled.
  absl::StatusOr<v1::Plan> PlanRound(const std::string& job_name, const v1::ImportanceReport& report,
                                     const StopFunction& cancelled);
  absl::StatusOr<v1::Plan> GetPlan(const std::string& plan_name);

  absl::StatusOr<v1::Plan> Solve(const v1::SolveRequest& request, const StopFunction& cancelled) const;

 private:
  absl::StatusOr<std::shared_ptr<const JobPlanner>> FindJob(const std::string& job_name);
  // The plan that this very report has had; NotFound if the round has none, AlreadyExists if it came of another.
  absl::StatusOr<v1::Plan> FindPlanOf(const std::string& job_name, const v1::ImportanceReport& report);
  absl::StatusOr<v1::Plan> MakePlan(const JobPlanner& planner, const v1::ImportanceReport& report,
                                    const StopFunction& cancelled);
  // What a client may know of an error of the store.
  absl::Status HideStoreError(const absl::Status& status) const;

  Store& store_;
  const Options options_;
  JobCache jobs_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_PLANNER_ENGINE_H_
