#ifndef GREENPLAN_PLANNER_STORE_SQLITE_BACKUP_H_
#define GREENPLAN_PLANNER_STORE_SQLITE_BACKUP_H_

#include <string>

#include "absl/status/status.h"

namespace greenplan {

// Copies the database at `source` as it is at one moment into a new file at `target`, and checks the copy for damage.
// The daemon that serves the database may go on meanwhile; its writes do not wait. The copy can be opened by
// OpenSqliteStore. `target` is there once the copy is whole and durable: a backup that fails or is killed leaves none,
// but perhaps `target`.partial, which the next one replaces.
//
// NotFound: `source` does not exist. AlreadyExists: `target` does. FailedPrecondition: `source` is another program's or
// has a newer schema. DataLoss: it is damaged. Otherwise the errors of Database (database.h). Each names its file.
absl::Status BackupSqliteStore(const std::string& source, const std::string& target);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SQLITE_BACKUP_H_
