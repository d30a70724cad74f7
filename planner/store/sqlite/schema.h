#ifndef GREENPLAN_PLANNER_STORE_SQLITE_SCHEMA_H_
#define GREENPLAN_PLANNER_STORE_SQLITE_SCHEMA_H_

#include "absl/status/status.h"
#include "planner/store/sqlite/database.h"

namespace greenplan {

// The newest schema that this program knows; PRAGMA user_version holds the file's.
inline constexpr int kSchemaVersion = 2;

// Brings the file's schema to kSchemaVersion, from nothing or from an older version, atomically.
// FailedPrecondition: it is another program's file, or its schema is newer.
absl::Status MigrateSchema(Database& database);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SQLITE_SCHEMA_H_
