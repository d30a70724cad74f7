#ifndef GREENPLAN_PLANNER_DAEMON_BACKUP_COMMAND_H_
#define GREENPLAN_PLANNER_DAEMON_BACKUP_COMMAND_H_

#include <string>

#include "absl/status/status.h"
#include "planner/daemon/daemon.h"

namespace greenplan {

// Carries out `greenpland backup`: copies the SQLite database that --data-dir or --store names into the new file
// `output`. The daemon may go on serving from the database meanwhile. The errors of BackupSqliteStore
// (planner/store/sqlite/backup.h), and InvalidArgument if the store is not in SQLite.
absl::Status RunBackup(const DaemonOptions& options, const std::string& output);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_BACKUP_COMMAND_H_
