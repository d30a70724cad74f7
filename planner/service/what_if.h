#ifndef GREENPLAN_PLANNER_SERVICE_WHAT_IF_H_
#define GREENPLAN_PLANNER_SERVICE_WHAT_IF_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "greenplan/v1/planner_service.pb.h"
#include "planner/job/planning.h"
#include "planner/service/job_directory.h"
#include "planner/service/store_errors.h"
#include "planner/store/store.h"

namespace greenplan {

// The RPC WhatIf: what each budget of a list would buy, for the data that a job has in the store or that the request
// brings along. Changes nothing.
//
// Shortly before limits.deadline it answers the best plans found; Cancelled if the caller has gone. The other errors
// are those listed in planner_service.proto, and what HideStoreError makes of a failure of the store. Thread-safety:
// safe. Calls block their thread until the plans are made.
class WhatIf {
 public:
  // `store` and `jobs`, which is a directory over it, must outlive the object.
  WhatIf(Store* store, JobDirectory* jobs, StoreErrorLog on_store_error)
      : store_(*store), jobs_(*jobs), on_store_error_(std::move(on_store_error)) {}

  // Answers a request of a caller of `tenant`.
  absl::StatusOr<v1::WhatIfResponse> Answer(const std::string& tenant, const v1::WhatIfRequest& request,
                                            const CallLimits& limits);

 private:
  struct Round;

  absl::StatusOr<v1::WhatIfResponse> AnswerForJob(const std::string& tenant, const v1::WhatIfRequest& request,
                                                  const CallLimits& limits);
  // The round that the request asks about, with the mean of the reports that its plan rests on.
  absl::StatusOr<Round> FindRound(const FoundJob& found, const v1::WhatIfRequest& request);

  Store& store_;
  JobDirectory& jobs_;
  const StoreErrorLog on_store_error_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_WHAT_IF_H_
