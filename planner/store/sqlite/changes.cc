#include "planner/store/sqlite/changes.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "planner/store/sqlite/rows.h"

namespace greenplan {
namespace {

absl::Status UseJob(Database& database, int64_t job_id, absl::Time time) {
  Statement use(database, "UPDATE jobs SET last_use = max(last_use, ?) WHERE id = ?");
  use.BindNumber(1, ToNumber(time));
  use.BindNumber(2, job_id);
  return use.Run();
}

// Binds the columns of a round that opens: job, round, revision, open_time, deadline.
void BindRound(Statement& insert, int64_t job_id, int64_t round, const RoundOpening& opening) {
  insert.BindNumber(1, job_id);
  insert.BindNumber(2, round);
  insert.BindNumber(3, opening.revision);
  insert.BindNumber(4, ToNumber(opening.open_time));
  insert.BindNumber(5, ToNumber(opening.deadline));
}

// Binds the columns of what a rank tells of a round: job, round, rank, message.
void BindRank(Statement& insert, int64_t job_id, const RankRow& row) {
  insert.BindNumber(1, job_id);
  insert.BindNumber(2, row.round);
  insert.BindNumber(3, row.rank);
  insert.BindBlob(4, row.message);
}

// Finds a Message in `table`, which is reports or outcomes.
template <typename Message>
absl::StatusOr<std::optional<Message>> FindOfRank(Database& database, absl::string_view table, int64_t job_id,
                                                  int64_t round, int32_t rank) {
  Statement query(database, absl::StrCat("SELECT message, ", kRankIsIntact, " FROM ", table,
                                         " WHERE job = ? AND round = ? AND rank = ?"));
  query.BindNumber(1, job_id);
  query.BindNumber(2, round);
  query.BindNumber(3, rank);
  const absl::StatusOr<bool> row = query.Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  return ReadIntact<Message>(database, query);
}

}  // namespace

absl::Status InsertRevision(Database& database, int64_t job_id, const v1::Job& job) {
  v1::Job without_profile = job;
  without_profile.clear_profile();
  const std::string message = without_profile.SerializeAsString();
  const std::string profile = job.profile().SerializeAsString();
  Statement insert(database,
                   "INSERT INTO job_revisions (job, revision, message, profile, checksum) VALUES (?1, ?2, ?3, ?4, "
                   "greenplan_crc32(?1, ?2, ?3, ?4))");
  insert.BindNumber(1, job_id);
  insert.BindNumber(2, job.profile_revision());
  insert.BindBlob(3, message);
  insert.BindBlob(4, profile);
  return insert.Run();
}

absl::Status InsertReport(Database& database, int64_t job_id, const RankRow& report) {
  Statement insert(database,
                   "INSERT INTO reports (job, round, rank, message, checksum) VALUES (?1, ?2, ?3, ?4, "
                   "greenplan_crc32(?1, ?2, ?3, ?4))");
  BindRank(insert, job_id, report);
  return insert.Run();
}

absl::Status CountReport(Database& database, int64_t job_id, int64_t round) {
  Statement count(database, "UPDATE rounds SET num_reports = num_reports + 1 WHERE job = ? AND round = ?");
  count.BindNumber(1, job_id);
  count.BindNumber(2, round);
  return count.Run();
}

absl::Status OpenRound(Database& database, int64_t job_id, int64_t round, const RoundOpening& opening) {
  Statement insert(database,
                   "INSERT INTO rounds (job, round, revision, open_time, deadline, num_reports, is_planned) "
                   "VALUES (?1, ?2, ?3, ?4, ?5, 0, EXISTS (SELECT 1 FROM plans WHERE job = ?1 AND round = ?2)) "
                   "ON CONFLICT (job, round) DO NOTHING RETURNING round");
  BindRound(insert, job_id, round, opening);
  const absl::StatusOr<bool> is_new = insert.Step();
  if (!is_new.ok()) return absl::IsNotFound(is_new.status()) ? NoJob(job_id) : is_new.status();
  return *is_new ? UseJob(database, job_id, opening.open_time) : absl::OkStatus();
}

absl::Status ReportAndClose(Database& database, int64_t job_id, int64_t round, const RoundOpening& opening) {
  Statement change(database,
                   "INSERT INTO rounds (job, round, revision, open_time, deadline, num_reports, is_planned) "
                   "VALUES (?, ?, ?, ?, ?, 1, 1) "
                   "ON CONFLICT (job, round) DO UPDATE SET num_reports = num_reports + 1, is_planned = 1 "
                   "RETURNING num_reports");
  BindRound(change, job_id, round, opening);
  const absl::StatusOr<bool> row = change.Step();
  if (!row.ok()) return absl::IsNotFound(row.status()) ? NoJob(job_id) : row.status();
  const bool is_new = change.Number(0) == 1;
  return is_new ? UseJob(database, job_id, opening.open_time) : absl::OkStatus();
}

absl::StatusOr<KeptRound> FindRound(Database& database, int64_t job_id, int64_t round) {
  Statement query(database, absl::StrCat("SELECT ", kRoundColumns, " FROM rounds WHERE job = ? AND round = ?"));
  query.BindNumber(1, job_id);
  query.BindNumber(2, round);
  absl::Status status = StepToRow(query, [&] {
    return absl::NotFoundError(absl::StrCat("round ", round, " of the job of id ", job_id, " does not exist"));
  });
  if (!status.ok()) return status;
  return ReadRound(query);
}

absl::StatusOr<std::optional<v1::ImportanceReport>> FindReport(Database& database, int64_t job_id, int64_t round,
                                                               int32_t rank) {
  return FindOfRank<v1::ImportanceReport>(database, "reports", job_id, round, rank);
}

absl::StatusOr<std::optional<v1::Outcome>> InsertOrFindOutcome(Database& database, int64_t job_id,
                                                               const RankRow& outcome) {
  Statement insert(database,
                   "INSERT INTO outcomes (job, round, rank, message, checksum) VALUES (?1, ?2, ?3, ?4, "
                   "greenplan_crc32(?1, ?2, ?3, ?4)) "
                   "ON CONFLICT (job, round, rank) DO NOTHING RETURNING rank");
  BindRank(insert, job_id, outcome);
  const absl::StatusOr<bool> is_new = insert.Step();
  if (!is_new.ok()) return absl::IsNotFound(is_new.status()) ? NoJob(job_id) : is_new.status();
  if (*is_new) return std::nullopt;
  return FindOfRank<v1::Outcome>(database, "outcomes", job_id, outcome.round, outcome.rank);
}

absl::Status InsertPlan(Database& database, int64_t job_id, int64_t round, const std::string& message,
                        const std::string& missing_ranks) {
  Statement insert(database,
                   "INSERT INTO plans (job, round, message, missing_ranks, checksum) VALUES (?1, ?2, ?3, ?4, "
                   "greenplan_crc32(?1, ?2, ?3, ?4))");
  insert.BindNumber(1, job_id);
  insert.BindNumber(2, round);
  insert.BindBlob(3, message);
  insert.BindBlob(4, missing_ranks);
  absl::Status status = insert.Run();
  return absl::IsNotFound(status) ? NoJob(job_id) : status;
}

absl::Status CloseRound(Database& database, int64_t job_id, int64_t round) {
  Statement close(database, "UPDATE rounds SET is_planned = 1 WHERE job = ? AND round = ?");
  close.BindNumber(1, job_id);
  close.BindNumber(2, round);
  return close.Run();
}

}  // namespace greenplan
