#ifndef GREENPLAN_PLANNER_JOB_IN_REQUEST_H_
#define GREENPLAN_PLANNER_JOB_IN_REQUEST_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// Returns an error about the part `path` of a request, such as "job.profile", in terms of the request: its field, by
// which google.rpc.BadRequest tells programs what to mend, and its message begin with the path. An error of
// InvalidArgument that names no field is then about the part as a whole. Any other error without a field, and an OK
// status, stay as they are. Pure functions, thread-safe.
//
//   InRequest("job.profile", status)  // "job.profile.ops[1].cost is -1; costs must be >= 0"
absl::Status InRequest(absl::string_view path, const absl::Status& status);

// The same for what PreparedProfile::ReadReport answers about a report that the request has at `report`. The report may
// be wrong together with the options, which the request has at `options`.
absl::Status ReportInRequest(absl::string_view report, absl::string_view options, const absl::Status& status);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_JOB_IN_REQUEST_H_
