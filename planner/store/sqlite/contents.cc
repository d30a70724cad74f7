#include "planner/store/sqlite/contents.h"

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace greenplan {
namespace {

// A query that answers a row for each fault of a kind.
struct Fault {
  const char* what;
  const char* query;
};

constexpr Fault kFaults[] = {
    {"a row belongs to no job", "SELECT 1 FROM pragma_foreign_key_check"},
    {"a revision of a job has changed since it was written",
     "SELECT 1 FROM job_revisions WHERE checksum IS NOT greenplan_crc32(job, revision, message, profile)"},
    {"a report has changed since it was written",
     "SELECT 1 FROM reports WHERE checksum IS NOT greenplan_crc32(job, round, rank, message)"},
    {"a plan has changed since it was written",
     "SELECT 1 FROM plans WHERE checksum IS NOT greenplan_crc32(job, round, message, missing_ranks)"},
    {"an outcome has changed since it was written",
     "SELECT 1 FROM outcomes WHERE checksum IS NOT greenplan_crc32(job, round, rank, message)"},
    {"a job is not at its latest revision",
     "SELECT 1 FROM jobs WHERE revision IS NOT (SELECT max(revision) FROM job_revisions WHERE job = jobs.id)"},
    {"a job's row has changed since it was written",
     "SELECT 1 FROM jobs WHERE typeof(tenant) <> 'text' OR typeof(name) <> 'text' OR typeof(num_bytes) <> 'integer' "
     "OR num_bytes < 0 OR typeof(last_use) <> 'integer'"},
    {"a round and its plan contradict each other",
     "SELECT 1 FROM rounds WHERE is_planned IS NOT "
     "EXISTS (SELECT 1 FROM plans WHERE job = rounds.job AND round = rounds.round)"},
    // The retention policy deletes reports of planned rounds.
    {"an open round and its reports contradict each other",
     "SELECT 1 FROM rounds WHERE is_planned = 0 AND num_reports IS NOT "
     "(SELECT count(*) FROM reports WHERE job = rounds.job AND round = rounds.round)"},
    {"a round's row has changed since it was written",
     "SELECT 1 FROM rounds WHERE typeof(open_time) <> 'integer' OR typeof(deadline) <> 'integer' OR revision NOT "
     "BETWEEN 0 AND "
     "(SELECT revision FROM jobs WHERE id = rounds.job)"},
};

}  // namespace

absl::Status CheckContents(Database& database) {
  for (const Fault& fault : kFaults) {
    Statement query(database, fault.query);
    const absl::StatusOr<bool> row = query.Step();
    if (!row.ok()) return row.status();
    if (*row) return absl::DataLossError(absl::StrCat(database.path(), " is damaged or no database: ", fault.what));
  }
  return absl::OkStatus();
}

}  // namespace greenplan
