#ifndef GREENPLAN_PLANNER_DAEMON_DAEMON_RETENTION_H_
#define GREENPLAN_PLANNER_DAEMON_DAEMON_RETENTION_H_

#include "absl/status/statusor.h"
#include "planner/daemon/daemon.h"
#include "planner/service/retention.h"

namespace greenplan {

// Returns what --keep-reports and --delete-idle-after say, with callbacks that log what is carried out. InvalidArgument
// names the flag.
absl::StatusOr<Retention::Options> RetentionOf(const DaemonOptions& options);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_DAEMON_RETENTION_H_
