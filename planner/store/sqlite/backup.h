#ifndef GREENPLAN_PLANNER_STORE_SQLITE_BACKUP_H_
#define GREENPLAN_PLANNER_STORE_SQLITE_BACKUP_H_

#include <string>

#include "absl/status/status.h"

namespace greenplan {

// Copies the database at `source` as it is at one moment into a new file at `target`, durably. The daemon that serves
// the database may go on meanwhile; its writes do not wait. The copy can be opened by OpenSqliteStore. NotFound:
// `source` does not exist. AlreadyExists: `target` does. Otherwise the errors of Database (database.h). Each names its
// file; no part of a copy that failed is left.
absl::Status BackupSqliteStore(const std::string& source, const std::string& target);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SQLITE_BACKUP_H_
