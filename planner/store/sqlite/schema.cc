#include "planner/store/sqlite/schema.h"

#include <iterator>

#include "absl/strings/str_cat.h"

namespace greenplan {
namespace {

// "gpln", in the header of every file of ours.
constexpr int64_t kApplicationId = 0x67706c6e;

// kMigrations[v] leads from version v to v + 1. Released ones never change.
constexpr const char* kMigrations[] = {
    R"(CREATE TABLE jobs (
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
       );)",
};
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

absl::Status MigrateSchema(Database& database) {
  Transaction transaction(database);
  if (absl::Status status = transaction.Begin(); !status.ok()) return status;
  if (absl::Status status = CheckOwner(database); !status.ok()) return status;
  const absl::StatusOr<int64_t> version = database.QueryNumber("PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (*version < 0 || *version > kSchemaVersion) {
    return absl::FailedPreconditionError(absl::StrCat(database.path(), " has schema version ", *version,
                                                      "; this program knows versions up to ", kSchemaVersion));
  }
  if (*version == kSchemaVersion) return absl::OkStatus();
  for (int64_t from = *version; from < kSchemaVersion; ++from) {
    if (absl::Status status = database.Execute(kMigrations[from]); !status.ok()) return status;
  }
  const std::string stamp =
      absl::StrCat("PRAGMA application_id = ", kApplicationId, "; PRAGMA user_version = ", kSchemaVersion);
  if (absl::Status status = database.Execute(stamp); !status.ok()) return status;
  return transaction.Commit();
}

}  // namespace greenplan
