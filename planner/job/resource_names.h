#ifndef GREENPLAN_PLANNER_JOB_RESOURCE_NAMES_H_
#define GREENPLAN_PLANNER_JOB_RESOURCE_NAMES_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// Names of what outlives a call: "jobs/{job}" and "jobs/{job}/plans/{round}". {job} is 1 to 128 characters of
// [A-Za-z0-9._-], {round} a number >= 0 without leading zeros, so every resource has exactly one name.
// Pure functions, thread-safe.

// The parts of a plan's name.
struct PlanName {
  std::string job_name;  // "jobs/{job}"
  int64_t round = 0;
};

// Checks a job's name. InvalidArgument, naming `field` (such as "job.name") and the value, unless `name` is
// "jobs/{job}".
absl::Status ValidateJobName(absl::string_view name, absl::string_view field);

// Returns the parts of a plan's name. InvalidArgument, naming `field` and the value, unless `name` is
// "jobs/{job}/plans/{round}".
absl::StatusOr<PlanName> ParsePlanName(absl::string_view name, absl::string_view field);

// Returns "jobs/{job}/plans/{round}".
std::string FormatPlanName(absl::string_view job_name, int64_t round);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_JOB_RESOURCE_NAMES_H_
