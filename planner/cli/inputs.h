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

// Reads a profile (.json or .pb, also .gz) and checks it. The errors of ReadMessageFile, and InvalidArgument if the
// profile is not valid.
absl::StatusOr<std::shared_ptr<const PreparedProfile>> LoadProfile(const std::string& path);

// What a report file says.
struct LoadedReport {
  Measurements measurements;

  // Whether the report has any importance. Methods full and drop also take one without; every tensor then counts 0.
  bool has_importance = false;
};
// Reads a report for `options` and checks it against the profile. InvalidArgument if it does not fit;
// FailedPrecondition if it carries the digest of another profile. An error about mu names the flag instead of the file,
// since mu is no part of the report.
absl::StatusOr<LoadedReport> LoadReport(const std::string& path, const PreparedProfile& profile,
                                        const PlanOptions& options);

// Reads a plan as `greenplan plan --format json` prints it, or as a v1.Plan message. FailedPrecondition if it was made
// for another profile.
absl::StatusOr<Plan> LoadPlan(const std::string& path, const PreparedProfile& profile);

// Returns the mask of the tensors that `names` lists, [num_tensors]. "@FILE" stands for the lines of a file, of which
// empty ones do not count. NotFound if a file is missing and InvalidArgument if a name is no tensor's; both name
// `flag`.
absl::StatusOr<std::vector<bool>> LoadMask(const std::string& flag, const std::vector<std::string>& names,
                                           const ModelProfile& profile);

// Reads drop rates from a file that holds a JSON object {block: rate}. Returns [num_blocks]; blocks that the object
// leaves out have rate 0. InvalidArgument if a name is no block's or a rate is not in [0, 1].
absl::StatusOr<std::vector<double>> LoadDropRates(const std::string& path, const ModelProfile& profile);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_INPUTS_H_
