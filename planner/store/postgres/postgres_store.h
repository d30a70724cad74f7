#ifndef GREENPLAN_PLANNER_STORE_POSTGRES_POSTGRES_STORE_H_
#define GREENPLAN_PLANNER_STORE_POSTGRES_POSTGRES_STORE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "planner/store/postgres/transaction.h"
#include "planner/store/store.h"

namespace greenplan {

// How a PostgreSQL store is reached and used.
struct PostgresOptions {
  // postgresql://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETER=VALUE, as libpq takes it.
  std::string uri;

  // Connections of this process, not counting one for notifications. Further calls wait for one.
  int max_connections = 16;

  // How long a call tries to reach the server and to get its transaction through, before it is Unavailable.
  absl::Duration timeout = absl::Seconds(5);

  // The store is right at every level. This one is the quickest: calls for one round wait for each other, and none has
  // to be run again.
  postgres::Isolation isolation = postgres::Isolation::kReadCommitted;

  // If false, changes of other replicas are found by polling alone.
  bool uses_notifications = true;
};

// A store in a PostgreSQL database, which several planners may use at the same time. A change is durable as the server
// says so when it commits: `synchronous_commit = off` there gives that up. What a call has committed before its
// connection was lost is recognized when the call tries again, so a change is never made twice.
//
// Runs on PostgreSQL 13 and later. All statements are also in CockroachDB's and YugabyteDB's dialects: CREATE TABLE and
// INDEX with IF NOT EXISTS, BIGINT and BYTEA, primary and foreign keys with ON DELETE CASCADE, INSERT with ON CONFLICT
// and RETURNING, UPDATE, DELETE, SELECT with JOIN, ORDER BY and LIMIT, CASE, GREATEST, COALESCE, BEGIN ISOLATION LEVEL,
// SET statement_timeout. LISTEN and pg_notify are used where the server has them; elsewhere, changes of other replicas
// are found by polling. Only PostgreSQL has been tried.
//
// The tables, whose names begin with "greenplan_", are made or brought up to date here. InvalidArgument: the URI is
// malformed. FailedPrecondition: the schema is newer than this program, or the user may not create tables.
// Unavailable: the server cannot be reached, or refuses the user or the database. No message repeats a password.
absl::StatusOr<std::unique_ptr<Store>> OpenPostgresStore(const PostgresOptions& options);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_POSTGRES_POSTGRES_STORE_H_
