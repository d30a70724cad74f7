#include "planner/store/postgres/statements.h"

#include <utility>

#include "planner/store/rank_list.h"

namespace greenplan::postgres {

absl::Status NoJob(absl::string_view name) { return absl::NotFoundError(absl::StrCat(name, " does not exist")); }

absl::Status NoJob(int64_t job_id) { return NoJob(absl::StrCat("the job of id ", job_id)); }

absl::Status NoJobIfNotFound(const absl::Status& status, int64_t job_id) {
  return absl::IsNotFound(status) ? NoJob(job_id) : status;
}

absl::Status Malformed(const std::string& medium, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(medium, " is damaged: it holds a malformed ", what));
}

int64_t ToNumber(absl::Time time) { return absl::ToUnixNanos(time); }

int64_t ToNumber(const google::protobuf::Timestamp& time) { return time.seconds() * 1'000'000'000 + time.nanos(); }

KeptRound ReadRound(const Rows& rows, int row) {
  return {.job_id = rows.Number(row, 0),
          .round = rows.Number(row, 1),
          .revision = rows.Number(row, 2),
          .open_time = absl::FromUnixNanos(rows.Number(row, 3)),
          .deadline = absl::FromUnixNanos(rows.Number(row, 4)),
          .num_reports = rows.Number(row, 5),
          .is_planned = rows.Number(row, 6) != 0};
}

absl::StatusOr<v1::Job> ReadJob(const std::string& medium, const Rows& rows, int column) {
  absl::StatusOr<v1::Job> job = ParseColumn<v1::Job>(medium, rows, 0, column);
  if (!job.ok()) return job;
  const absl::string_view profile = rows.Bytes(0, column + 1);
  if (!job->mutable_profile()->ParseFromArray(profile.data(), static_cast<int>(profile.size()))) {
    return Malformed(medium, job->profile().GetTypeName());
  }
  return job;
}

absl::StatusOr<KeptPlan> ReadPlan(const std::string& medium, const Rows& rows) {
  absl::StatusOr<v1::Plan> plan = ParseColumn<v1::Plan>(medium, rows, 0);
  if (!plan.ok()) return plan.status();
  std::optional<std::vector<int32_t>> missing_ranks = DecodeRanks(rows.Bytes(0, 1));
  if (!missing_ranks.has_value()) return Malformed(medium, "list of ranks");
  return KeptPlan{*std::move(plan), *std::move(missing_ranks)};
}

absl::StatusOr<bool> InsertMessage(const Attempt& attempt, const KeptMessage& key, const std::string& message) {
  const std::string sql = absl::StrCat("INSERT INTO ", key.table,
                                       " (job, round, rank, message) VALUES ($1, $2, $3, $4) "
                                       "ON CONFLICT (job, round, rank) DO NOTHING");
  const absl::StatusOr<Rows> rows =
      attempt.connection.Query(sql.c_str(), {key.job_id, key.round, key.rank, message}, attempt.deadline);
  if (!rows.ok()) return NoJobIfNotFound(rows.status(), key.job_id);
  return rows->num_changed() == 1;
}

absl::StatusOr<std::optional<std::string>> FindMessage(const Attempt& attempt, const KeptMessage& key) {
  const std::string sql =
      absl::StrCat("SELECT message FROM ", key.table, " WHERE job = $1 AND round = $2 AND rank = $3");
  const absl::StatusOr<Rows> rows =
      attempt.connection.Query(sql.c_str(), {key.job_id, key.round, key.rank}, attempt.deadline);
  if (!rows.ok()) return rows.status();
  if (rows->size() == 0) return std::nullopt;
  return std::string(rows->Bytes(0, 0));
}

absl::Status InsertRevision(const Attempt& attempt, int64_t job_id, const v1::Job& job) {
  v1::Job without_profile = job;
  without_profile.clear_profile();
  return attempt.connection.Execute(
      "INSERT INTO greenplan_job_revisions (job, revision, message, profile) VALUES ($1, $2, $3, $4)",
      {job_id, job.profile_revision(), without_profile.SerializeAsString(), job.profile().SerializeAsString()},
      attempt.deadline);
}

absl::StatusOr<KeptRound> ChangeRound(const Attempt& attempt, int64_t job_id, int64_t round,
                                      const RoundChange& change) {
  static const std::string* const kSql = new std::string(absl::StrCat(
      "INSERT INTO greenplan_rounds (", kRoundColumns,
      ") VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (job, round) DO UPDATE SET "
      "revision = CASE WHEN greenplan_rounds.num_reports = 0 THEN excluded.revision ELSE greenplan_rounds.revision END,"
      "open_time = CASE WHEN greenplan_rounds.num_reports = 0 THEN excluded.open_time"
      " ELSE greenplan_rounds.open_time END,"
      "deadline = CASE WHEN greenplan_rounds.num_reports = 0 THEN excluded.deadline ELSE greenplan_rounds.deadline END,"
      "num_reports = greenplan_rounds.num_reports + excluded.num_reports,"
      "is_planned = GREATEST(greenplan_rounds.is_planned, excluded.is_planned) RETURNING ",
      kRoundColumns));
  const absl::StatusOr<Rows> rows =
      attempt.connection.Query(kSql->c_str(),
                               {job_id, round, change.opening.revision, ToNumber(change.opening.open_time),
                                ToNumber(change.opening.deadline), change.num_reports, int64_t{change.is_planned}},
                               attempt.deadline);
  if (!rows.ok()) return NoJobIfNotFound(rows.status(), job_id);
  const KeptRound changed = ReadRound(*rows, 0);
  if (change.num_reports == 0 || changed.num_reports > change.num_reports) return changed;
  absl::Status status =
      attempt.connection.Execute("UPDATE greenplan_jobs SET last_use = GREATEST(last_use, $2) WHERE id = $1",
                                 {job_id, ToNumber(change.opening.open_time)}, attempt.deadline);
  if (!status.ok()) return status;
  return changed;
}

absl::StatusOr<std::optional<KeptRound>> FindRound(const Attempt& attempt, int64_t job_id, int64_t round) {
  static const std::string* const kSql = new std::string(absl::StrCat(
      "SELECT ", kRoundColumns, " FROM greenplan_rounds WHERE job = $1 AND round = $2 AND num_reports > 0"));
  const absl::StatusOr<Rows> rows = attempt.connection.Query(kSql->c_str(), {job_id, round}, attempt.deadline);
  if (!rows.ok()) return rows.status();
  if (rows->size() == 0) return std::nullopt;
  return ReadRound(*rows, 0);
}

}  // namespace greenplan::postgres
