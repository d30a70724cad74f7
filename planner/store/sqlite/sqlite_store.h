#ifndef GREENPLAN_PLANNER_STORE_SQLITE_SQLITE_STORE_H_
#define GREENPLAN_PLANNER_STORE_SQLITE_SQLITE_STORE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "planner/store/store.h"

namespace greenplan {

// A store in one SQLite file: write-ahead log, synchronous = FULL, so what is acknowledged survives a power failure.
// Changes that wait for the disk at the same time share one flush (group_commit.h); reads do not wait for writes.
// One process serves the file at a time: a second one that opens it is refused (file_lock.h). backup.h copies it
// meanwhile. The whole file is checked for damage when it is opened (contents.h), every row again when it is read, and
// older schemas are brought up to date.
//
// FailedPrecondition: the file cannot be opened or written, belongs to another program, or has a newer schema.
// Unavailable: another process has it open. DataLoss: it is damaged or no database. Each names the path.
absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SQLITE_SQLITE_STORE_H_
