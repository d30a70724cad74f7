#include "planner/store/postgres/schema.h"

#include <iterator>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "planner/store/postgres/transaction.h"

namespace greenplan::postgres {
namespace {

// Released migrations never change. Text is kept as BYTEA, so that its order is that of its bytes whatever the
// database's locale. Times are nanoseconds since 1970.
constexpr const char* kVersion1[] = {
    R"(CREATE TABLE IF NOT EXISTS greenplan_jobs (
         id BIGINT PRIMARY KEY,
         tenant BYTEA NOT NULL,
         name BYTEA NOT NULL,
         revision BIGINT NOT NULL,   -- The latest one.
         num_bytes BIGINT NOT NULL,  -- Of all revisions.
         last_use BIGINT NOT NULL,
         UNIQUE (tenant, name)
       ))",
    "CREATE INDEX IF NOT EXISTS greenplan_jobs_by_last_use ON greenplan_jobs (last_use ASC)",
    R"(CREATE TABLE IF NOT EXISTS greenplan_job_revisions (
         job BIGINT NOT NULL REFERENCES greenplan_jobs (id) ON DELETE CASCADE,
         revision BIGINT NOT NULL,
         message BYTEA NOT NULL,  -- greenplan.v1.Job without its profile
         profile BYTEA NOT NULL,  -- greenplan.v1.ModelProfile
         PRIMARY KEY (job, revision)
       ))",
    // A round has a row from its first report or its plan on, whichever comes first. All changes of a round go through
    // its row, which puts them in an order.
    R"(CREATE TABLE IF NOT EXISTS greenplan_rounds (
         job BIGINT NOT NULL REFERENCES greenplan_jobs (id) ON DELETE CASCADE,
         round BIGINT NOT NULL,
         revision BIGINT NOT NULL,     -- This and the times say nothing while num_reports is 0.
         open_time BIGINT NOT NULL,
         deadline BIGINT NOT NULL,
         num_reports BIGINT NOT NULL,  -- How many ranks have reported, also after their reports were deleted.
         is_planned BIGINT NOT NULL,   -- 0 or 1
         PRIMARY KEY (job, round)
       ))",
    "CREATE INDEX IF NOT EXISTS greenplan_rounds_by_deadline ON greenplan_rounds (is_planned, deadline, job, round)",
    R"(CREATE TABLE IF NOT EXISTS greenplan_reports (
         job BIGINT NOT NULL REFERENCES greenplan_jobs (id) ON DELETE CASCADE,
         round BIGINT NOT NULL,
         rank BIGINT NOT NULL,
         message BYTEA NOT NULL,  -- greenplan.v1.ImportanceReport
         PRIMARY KEY (job, round, rank)
       ))",
    R"(CREATE TABLE IF NOT EXISTS greenplan_plans (
         job BIGINT NOT NULL REFERENCES greenplan_jobs (id) ON DELETE CASCADE,
         round BIGINT NOT NULL,
         message BYTEA NOT NULL,        -- greenplan.v1.Plan
         missing_ranks BYTEA NOT NULL,  -- rank_list.h
         PRIMARY KEY (job, round)
       ))",
    R"(CREATE TABLE IF NOT EXISTS greenplan_outcomes (
         job BIGINT NOT NULL REFERENCES greenplan_jobs (id) ON DELETE CASCADE,
         round BIGINT NOT NULL,
         rank BIGINT NOT NULL,
         message BYTEA NOT NULL,  -- greenplan.v1.Outcome
         PRIMARY KEY (job, round, rank)
       ))",
    "CREATE TABLE IF NOT EXISTS greenplan_schema (id BIGINT PRIMARY KEY, version BIGINT NOT NULL)",
};

// kMigrations[v] leads from version v to v + 1.
constexpr absl::Span<const char* const> kMigrations[] = {kVersion1};
static_assert(std::size(kMigrations) == kSchemaVersion);

// Of two replicas that start at the same time, the one of the older version must not take the newer one's version back.
constexpr char kStamp[] =
    "INSERT INTO greenplan_schema (id, version) VALUES (1, $1) "
    "ON CONFLICT (id) DO UPDATE SET version = GREATEST(greenplan_schema.version, excluded.version)";

// 0 if the database holds no schema of ours.
absl::StatusOr<int64_t> ReadVersion(const Attempt& attempt) {
  const absl::StatusOr<Rows> rows =
      attempt.connection.Query("SELECT version FROM greenplan_schema WHERE id = 1", {}, attempt.deadline);
  if (rows.ok()) return rows->size() == 0 ? 0 : rows->Number(0, 0);
  constexpr absl::string_view kUndefinedTable = "42P01";
  if (attempt.connection.last_sql_state() == kUndefinedTable) return 0;
  return rows.status();
}

// Aborted, so that it is tried again, if another replica makes the same table at this moment: "IF NOT EXISTS" does not
// look at what is not committed yet.
absl::Status RunMigration(const Attempt& attempt, absl::Span<const char* const> statements) {
  for (const char* statement : statements) {
    absl::Status status = attempt.connection.Execute(statement, {}, attempt.deadline);
    if (status.ok()) continue;
    const std::string& state = attempt.connection.last_sql_state();
    const bool is_race = state == "23505" || state == "42P07" || state == "42710";  // Some kind of duplicate.
    return is_race ? absl::AbortedError(status.message()) : status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status MigrateSchema(ConnectionPool& pool, absl::Time deadline) {
  return RunStatement(pool, deadline, [](const Attempt& attempt) -> absl::Status {
    const absl::StatusOr<int64_t> version = ReadVersion(attempt);
    if (!version.ok()) return version.status();
    if (*version < 0 || *version > kSchemaVersion) {
      return absl::FailedPreconditionError(absl::StrCat(attempt.connection.medium(), " has schema version ", *version,
                                                        "; this program knows versions up to ", kSchemaVersion));
    }
    if (*version == kSchemaVersion) return absl::OkStatus();
    for (int64_t from = *version; from < kSchemaVersion; ++from) {
      if (absl::Status status = RunMigration(attempt, kMigrations[from]); !status.ok()) return status;
    }
    return attempt.connection.Execute(kStamp, {int64_t{kSchemaVersion}}, attempt.deadline);
  });
}

}  // namespace greenplan::postgres
