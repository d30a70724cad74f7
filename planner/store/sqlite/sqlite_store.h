#ifndef GREENPLAN_PLANNER_STORE_SQLITE_SQLITE_STORE_H_
#define GREENPLAN_PLANNER_STORE_SQLITE_SQLITE_STORE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "planner/store/store.h"

namespace greenplan {

// A store in one SQLite file: write-ahead log, synchronous = FULL, so what is acknowledged survives a power failure.
// The file is held exclusively: a second process that opens it is refused.
//
// FailedPrecondition: the file cannot be opened or written, belongs to another program, or has a newer schema.
// Unavailable: another process has it open. DataLoss: it is damaged or no database. Each names the path.
absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SQLITE_SQLITE_STORE_H_
