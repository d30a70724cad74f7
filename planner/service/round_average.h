#ifndef GREENPLAN_PLANNER_SERVICE_ROUND_AVERAGE_H_
#define GREENPLAN_PLANNER_SERVICE_ROUND_AVERAGE_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/core/plan.h"
#include "planner/job/prepared_job.h"
#include "planner/store/store.h"

namespace greenplan {

// What a plan of several ranks rests on.
struct RoundAverage {
  // The mean of the reports (planner/job/report_average.h). A tensor that no report has importance for is unmeasured.
  Measurements measurements;
  // The ranks of the job, in increasing order, whose reports are not in the mean: those that were to be left out, and
  // those that had not reported. NewPlan::missing_ranks of a plan that is made of it.
  std::vector<int32_t> missing_ranks;
  // Whether any report has importance. Methods full and drop also take reports without.
  bool has_importance = false;
};

// Returns the mean of the reports of a round, leaving out those of the ranks in `missing_ranks` (in increasing order).
// Pass no ranks for a round that is about to be planned, and KeptPlan::missing_ranks for one that is planned already. A
// report that arrives meanwhile is either in the mean or missing.
//
// The reports are read a few at a time; beside them this takes about 300 bytes for each tensor and block. `job` is the
// revision of the round. Check the mean with PreparedJob::ValidateAverage before planning with it.
//
// NotFound if no report is left, because the job was deleted or the retention policy deleted the round's reports.
// DataLoss if a report does not fit the job. Other errors are the store's, unchanged. Thread-safe.
//
//   absl::StatusOr<RoundAverage> average = AverageRound(store, *job, job_id, round, /*missing_ranks=*/{});
//   // average->missing_ranks are the ranks that had not reported yet.
absl::StatusOr<RoundAverage> AverageRound(Store& store, const PreparedJob& job, int64_t job_id, int64_t round,
                                          const std::vector<int32_t>& missing_ranks);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_ROUND_AVERAGE_H_
