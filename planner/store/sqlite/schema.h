#ifndef GREENPLAN_PLANNER_STORE_SQLITE_SCHEMA_H_
#define GREENPLAN_PLANNER_STORE_SQLITE_SCHEMA_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "planner/store/sqlite/database.h"

namespace greenplan {

// The newest schema that this program knows; PRAGMA user_version holds the file's.
inline constexpr int kSchemaVersion = 3;

// Returns the version of the file's schema; 0 if the file is empty. FailedPrecondition if the file belongs to another
// program, or its schema is newer than this program.
absl::StatusOr<int64_t> ReadSchemaVersion(Database& database);

// Brings the file's schema to kSchemaVersion, from nothing or from an older version, in one transaction. The errors of
// ReadSchemaVersion and of Database.
absl::Status MigrateSchema(Database& database);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SQLITE_SCHEMA_H_
