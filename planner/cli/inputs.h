#ifndef GREENPLAN_PLANNER_CLI_INPUTS_H_
#define GREENPLAN_PLANNER_CLI_INPUTS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "nlohmann/json.hpp"
#include "planner/convert/round_planner.h"

namespace greenplan {

// The files that commands read. Every error names the file and is a matter of the user's (see ExitCode).

// `status` with "PATH: " before its message.
absl::Status InFile(const std::string& path, const absl::Status& status);

absl::StatusOr<nlohmann::json> ReadJson(const std::string& path);

absl::StatusOr<std::unique_ptr<RoundPlanner>> LoadProfile(const std::string& path);

// Checked against the profile, its digest included; `method` as in MeasurementsFromProto.
absl::StatusOr<v1::ImportanceReport> LoadImportance(const std::string& path, const RoundPlanner& planner,
                                                    const v1::PlanOptions& options);

// A plan as `greenplan plan --format json` prints it, or as a v1.Plan message. Made for another profile:
// FailedPrecondition.
absl::StatusOr<v1::Plan> LoadPlan(const std::string& path, const RoundPlanner& planner);

// [num_tensors]: the tensors that `names` lists; "@FILE" stands for the lines of a file. NotFound or InvalidArgument,
// naming `flag`.
absl::StatusOr<std::vector<bool>> LoadMask(const std::string& flag, const std::vector<std::string>& names,
                                           const ModelProfile& profile);

// [num_blocks] from a JSON object {block: rate}; blocks that it leaves out have rate 0.
absl::StatusOr<std::vector<double>> LoadDropRates(const std::string& path, const ModelProfile& profile);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_INPUTS_H_
