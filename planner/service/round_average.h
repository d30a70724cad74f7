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

// The mean of the reports of a round, but for those of the ranks in `missing_ranks` (in increasing order): none for a
// round that is about to be planned, KeptPlan::missing_ranks for one that is. Reads the reports a few at a time; beside
// them it takes about 300 bytes per tensor and block. A report that arrives meanwhile is either in the mean or missing.
//
// `job` is the revision of the round. A plan that is made of the mean needs PreparedJob::ValidateAverage before.
// NotFound if no report is left: the job was deleted, or the round's reports were by the retention policy. Otherwise the
// errors of the store, as they are; DataLoss if a report does not fit the job. Thread-safe.
absl::StatusOr<RoundAverage> AverageRound(Store& store, const PreparedJob& job, int64_t job_id, int64_t round,
                                          const std::vector<int32_t>& missing_ranks);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_ROUND_AVERAGE_H_
