#ifndef GREENPLAN_PLANNER_CLI_INPUTS_H_
#define GREENPLAN_PLANNER_CLI_INPUTS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/core/plan.h"
#include "planner/job/prepared_profile.h"

namespace greenplan {

// The files that commands read. Every error names the file and is a matter of the user's (see ExitCode).

// Reads and checks a profile.
absl::StatusOr<std::shared_ptr<const PreparedProfile>> LoadProfile(const std::string& path);

// What a report measured.
struct LoadedReport {
  Measurements measurements;
  bool has_importance = false;  // Methods full and drop also take a report without any; their tensors then count 0.
};
// A report for `options`, checked against the profile, its digest included.
absl::StatusOr<LoadedReport> LoadReport(const std::string& path, const PreparedProfile& profile,
                                        const PlanOptions& options);

// A plan as `greenplan plan --format json` prints it, or as a v1.Plan message. Made for another profile:
// FailedPrecondition.
absl::StatusOr<Plan> LoadPlan(const std::string& path, const PreparedProfile& profile);

// [num_tensors]: the tensors that `names` lists; "@FILE" stands for the lines of a file. NotFound or InvalidArgument,
// naming `flag`.
absl::StatusOr<std::vector<bool>> LoadMask(const std::string& flag, const std::vector<std::string>& names,
                                           const ModelProfile& profile);

// [num_blocks] from a JSON object {block: rate}; blocks that it leaves out have rate 0.
absl::StatusOr<std::vector<double>> LoadDropRates(const std::string& path, const ModelProfile& profile);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_INPUTS_H_
