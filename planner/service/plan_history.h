#ifndef GREENPLAN_PLANNER_SERVICE_PLAN_HISTORY_H_
#define GREENPLAN_PLANNER_SERVICE_PLAN_HISTORY_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "greenplan/v1/plan.pb.h"
#include "greenplan/v1/planner_service.pb.h"
#include "planner/service/engine_observer.h"
#include "planner/service/job_directory.h"
#include "planner/service/store_errors.h"
#include "planner/store/store.h"

namespace greenplan {

// The RPCs about rounds that are planned: their plans, and what came of them.
//
// The errors are those listed with each RPC in planner_service.proto, and what HideStoreError makes of a failure of the
// store. Thread-safety: safe. Calls block their thread until the store has answered.
class PlanHistory {
 public:
  // Whom to tell of errors of the store and of outcomes.
  struct Options {
    // Is told of every failure of the store.
    StoreErrorLog on_store_error = {};
    // Is told of new outcomes.
    EngineObserver observer = {};
  };

  // `store` and `jobs`, which is a directory over it, must outlive the object.
  PlanHistory(Store* store, JobDirectory* jobs, Options options)
      : store_(*store), jobs_(*jobs), options_(std::move(options)) {}

  // The RPCs of these names, for the caller's tenant.
  absl::StatusOr<v1::Plan> GetPlan(const std::string& tenant, const v1::GetPlanRequest& request);
  absl::StatusOr<v1::ListPlansResponse> ListPlans(const std::string& tenant, const v1::ListPlansRequest& request);

  absl::Status ReportOutcome(const std::string& tenant, const v1::ReportOutcomeRequest& request);
  absl::StatusOr<v1::ListOutcomesResponse> ListOutcomes(const std::string& tenant,
                                                        const v1::ListOutcomesRequest& request);

 private:
  absl::Status Hide(const absl::Status& status) const { return HideStoreError(status, options_.on_store_error); }

  Store& store_;
  JobDirectory& jobs_;
  const Options options_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_PLAN_HISTORY_H_
