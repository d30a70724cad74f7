#ifndef GREENPLAN_PLANNER_STORE_POSTGRES_SCHEMA_H_
#define GREENPLAN_PLANNER_STORE_POSTGRES_SCHEMA_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "planner/store/postgres/connection_pool.h"

namespace greenplan::postgres {

// The newest schema that this program knows; the table greenplan_schema holds the database's.
inline constexpr int kSchemaVersion = 1;

// Brings the database's schema to kSchemaVersion, from nothing or from an older version. A schema that is up to date is
// only read. Several replicas may do so at the same time, and one that dies halfway leaves what the next one completes:
// some compatible databases cannot change a schema inside a transaction, so every statement can be run again, and the
// version is written last.
//
// FailedPrecondition if the database's schema is newer, or if its user may not create tables. Unavailable if the server
// cannot be reached until `deadline`.
absl::Status MigrateSchema(ConnectionPool& pool, absl::Time deadline);

}  // namespace greenplan::postgres

#endif  // GREENPLAN_PLANNER_STORE_POSTGRES_SCHEMA_H_
