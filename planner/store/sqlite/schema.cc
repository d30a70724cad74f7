#include "planner/store/sqlite/schema.h"

#include <iterator>

#include "absl/strings/str_cat.h"
#include "greenplan/v1/job.pb.h"

namespace greenplan {
namespace {

// "gpln", in the header of every file of ours.
constexpr int64_t kApplicationId = 0x67706c6e;

// Released migrations never change.
absl::Status Create(Database& database) {
  return database.Execute(R"(
      CREATE TABLE jobs (
        name TEXT PRIMARY KEY NOT NULL,
        message BLOB NOT NULL  -- greenplan.v1.Job
      );
      CREATE TABLE reports (
        job TEXT NOT NULL REFERENCES jobs (name) ON DELETE CASCADE,
        round INTEGER NOT NULL,
        rank INTEGER NOT NULL,
        message BLOB NOT NULL,  -- greenplan.v1.ImportanceReport
        PRIMARY KEY (job, round, rank)
      );
      CREATE TABLE plans (
        job TEXT NOT NULL REFERENCES jobs (name) ON DELETE CASCADE,
        round INTEGER NOT NULL,
        message BLOB NOT NULL,  -- greenplan.v1.Plan
        PRIMARY KEY (job, round)
      );)");
}

// Tables of version 2. Times are nanoseconds since 1970.
constexpr char kTables2[] = R"(
    ALTER TABLE jobs RENAME TO jobs_1;
    ALTER TABLE reports RENAME TO reports_1;
    ALTER TABLE plans RENAME TO plans_1;
    CREATE TABLE jobs (
      id INTEGER PRIMARY KEY NOT NULL,
      tenant TEXT NOT NULL,
      name TEXT NOT NULL,
      revision INTEGER NOT NULL,   -- The latest one.
      num_bytes INTEGER NOT NULL,  -- Of all revisions.
      last_use INTEGER NOT NULL,
      UNIQUE (tenant, name)
    );
    CREATE INDEX jobs_by_last_use ON jobs (last_use);
    CREATE TABLE job_revisions (
      job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
      revision INTEGER NOT NULL,
      message BLOB NOT NULL,  -- greenplan.v1.Job without its profile
      profile BLOB NOT NULL,  -- greenplan.v1.ModelProfile
      PRIMARY KEY (job, revision)
    );
    CREATE TABLE rounds (
      job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
      round INTEGER NOT NULL,
      revision INTEGER NOT NULL,
      open_time INTEGER NOT NULL,
      deadline INTEGER NOT NULL,
      num_reports INTEGER NOT NULL,
      is_planned INTEGER NOT NULL,
      PRIMARY KEY (job, round)
    );
    CREATE INDEX rounds_by_deadline ON rounds (is_planned, deadline, job, round);
    CREATE TABLE reports (
      job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
      round INTEGER NOT NULL,
      rank INTEGER NOT NULL,
      message BLOB NOT NULL,  -- greenplan.v1.ImportanceReport
      PRIMARY KEY (job, round, rank)
    );
    CREATE TABLE plans (
      job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
      round INTEGER NOT NULL,
      message BLOB NOT NULL,        -- greenplan.v1.Plan
      missing_ranks BLOB NOT NULL,  -- rank_list.h
      PRIMARY KEY (job, round)
    );
    CREATE TABLE outcomes (
      job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
      round INTEGER NOT NULL,
      rank INTEGER NOT NULL,
      message BLOB NOT NULL,  -- greenplan.v1.Outcome
      PRIMARY KEY (job, round, rank)
    );)";

// Jobs of version 1 belong to the tenant "" and get the numbers of their rows. They count as used now.
constexpr char kCopyJobs2[] = R"(
    INSERT INTO jobs (id, tenant, name, revision, num_bytes, last_use)
      SELECT rowid, '', name, 1, length(message), CAST(strftime('%s', 'now') AS INTEGER) * 1000000000 FROM jobs_1;)";

constexpr char kCopyRounds2[] = R"(
    INSERT INTO reports (job, round, rank, message)
      SELECT jobs.id, round, rank, message FROM reports_1 JOIN jobs ON jobs.name = reports_1.job;
    INSERT INTO plans (job, round, message, missing_ranks)
      SELECT jobs.id, round, message, x'' FROM plans_1 JOIN jobs ON jobs.name = plans_1.job;
    INSERT INTO rounds (job, round, revision, open_time, deadline, num_reports, is_planned)
      SELECT job, round, 1, 0, 0, (SELECT count(*) FROM reports WHERE job = plans.job AND round = plans.round), 1
      FROM plans;
    DROP TABLE plans_1;
    DROP TABLE reports_1;
    DROP TABLE jobs_1;)";

// A job's profile is a column of its own, so that lists need not read it.
absl::Status SplitJobs(Database& database) {
  Statement query(database, "SELECT rowid, message FROM jobs_1");
  for (;;) {
    const absl::StatusOr<bool> row = query.Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    v1::Job job;
    if (!job.ParseFromArray(query.Blob(1).data(), static_cast<int>(query.Blob(1).size()))) {
      return absl::DataLossError(absl::StrCat(database.path(), " is damaged: it holds a malformed greenplan.v1.Job"));
    }
    const std::string profile = job.profile().SerializeAsString();
    job.clear_profile();
    const std::string message = job.SerializeAsString();
    Statement insert(database, "INSERT INTO job_revisions (job, revision, message, profile) VALUES (?, 1, ?, ?)");
    insert.BindNumber(1, query.Number(0));
    insert.BindBlob(2, message);
    insert.BindBlob(3, profile);
    if (absl::Status status = insert.Run(); !status.ok()) return status;
  }
}

absl::Status ForManyRanks(Database& database) {
  if (absl::Status status = database.Execute(kTables2); !status.ok()) return status;
  if (absl::Status status = database.Execute(kCopyJobs2); !status.ok()) return status;
  if (absl::Status status = SplitJobs(database); !status.ok()) return status;
  return database.Execute(kCopyRounds2);
}

// Every row that holds a message has a checksum (checksum.h).
absl::Status WithChecksums(Database& database) {
  return database.Execute(R"(
      ALTER TABLE job_revisions ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE reports ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE plans ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE outcomes ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
      UPDATE job_revisions SET checksum = greenplan_crc32(job, revision, message, profile);
      UPDATE reports SET checksum = greenplan_crc32(job, round, rank, message);
      UPDATE plans SET checksum = greenplan_crc32(job, round, message, missing_ranks);
      UPDATE outcomes SET checksum = greenplan_crc32(job, round, rank, message);)");
}

// kMigrations[v] leads from version v to v + 1.
constexpr absl::Status (*kMigrations[])(Database&) = {Create, ForManyRanks, WithChecksums};
static_assert(std::size(kMigrations) == kSchemaVersion);

// A file without any table is as good as new.
absl::Status CheckOwner(Database& database) {
  const absl::StatusOr<int64_t> application_id = database.QueryNumber("PRAGMA application_id");
  if (!application_id.ok()) return application_id.status();
  const absl::StatusOr<int64_t> table_count = database.QueryNumber("SELECT count(*) FROM sqlite_schema");
  if (!table_count.ok()) return table_count.status();
  if (*application_id == kApplicationId || (*application_id == 0 && *table_count == 0)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(database.path(), " is a database of another program"));
}

}  // namespace

absl::StatusOr<int64_t> ReadSchemaVersion(Database& database) {
  if (absl::Status status = CheckOwner(database); !status.ok()) return status;
  absl::StatusOr<int64_t> version = database.QueryNumber("PRAGMA user_version");
  if (!version.ok() || (*version >= 0 && *version <= kSchemaVersion)) return version;
  return absl::FailedPreconditionError(absl::StrCat(database.path(), " has schema version ", *version,
                                                    "; this program knows versions up to ", kSchemaVersion));
}

absl::Status MigrateSchema(Database& database) {
  Transaction transaction(database);
  if (absl::Status status = transaction.Begin(); !status.ok()) return status;
  const absl::StatusOr<int64_t> version = ReadSchemaVersion(database);
  if (!version.ok()) return version.status();
  if (*version == kSchemaVersion) return absl::OkStatus();
  for (int64_t from = *version; from < kSchemaVersion; ++from) {
    if (absl::Status status = kMigrations[from](database); !status.ok()) return status;
  }
  const std::string stamp =
      absl::StrCat("PRAGMA application_id = ", kApplicationId, "; PRAGMA user_version = ", kSchemaVersion);
  if (absl::Status status = database.Execute(stamp); !status.ok()) return status;
  return transaction.Commit();
}

}  // namespace greenplan
