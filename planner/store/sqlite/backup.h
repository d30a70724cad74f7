#ifndef GREENPLAN_PLANNER_STORE_SQLITE_BACKUP_H_
#define GREENPLAN_PLANNER_STORE_SQLITE_BACKUP_H_

#include <string>

#include "absl/status/status.h"

namespace greenplan {

// Copies the database at `source`, as it is at one moment, into a new file at `target`, and checks the copy for damage.
// The daemon that serves the database may go on meanwhile; its writes do not wait. The copy can be opened by
// OpenSqliteStore. `target` appears once the copy is whole and durable. A backup that fails or is killed leaves no
// `target`, but perhaps a `target`.partial, which the next backup replaces.
//
// NotFound if `source` does not exist. AlreadyExists if `target` does. FailedPrecondition if `source` belongs to
// another program or has a newer schema. DataLoss if it is damaged. Otherwise the errors of Database (database.h). Each
// names its file.
absl::Status BackupSqliteStore(const std::string& source, const std::string& target);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SQLITE_BACKUP_H_
