#include "planner/store/postgres/changes.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "planner/store/rank_list.h"

namespace greenplan::postgres {
namespace {

// A foreign key that points nowhere means that there is no such job.
absl::Status NoJobIfNotFound(const absl::Status& status, int64_t job_id) {
  return absl::IsNotFound(status) ? NoJob(job_id) : status;
}

absl::Status InsertRevision(const Attempt& attempt, int64_t job_id, const v1::Job& job) {
  v1::Job without_profile = job;
  without_profile.clear_profile();
  return attempt.connection.Execute(
      "INSERT INTO greenplan_job_revisions (job, revision, message, profile) VALUES ($1, $2, $3, $4)",
      {job_id, job.profile_revision(), without_profile.SerializeAsString(), job.profile().SerializeAsString()},
      attempt.deadline);
}

// Why no row had the revision before this one. OK if an attempt whose answer was lost has updated the job.
absl::Status WhyNotUpdated(const Attempt& attempt, int64_t job_id, const v1::Job& job) {
  const absl::StatusOr<Rows> rows = attempt.connection.Query(
      "SELECT r.message, r.profile FROM greenplan_jobs AS j JOIN greenplan_job_revisions AS r "
      "ON r.job = j.id AND r.revision = j.revision WHERE j.id = $1",
      {job_id}, attempt.deadline);
  if (!rows.ok()) return rows.status();
  if (rows->size() == 0) return NoJob(job_id);
  if (attempt.may_be_done) {
    const absl::StatusOr<v1::Job> latest = ReadJob(attempt.connection.medium(), *rows, 0);
    if (!latest.ok()) return latest.status();
    if (latest->SerializeAsString() == job.SerializeAsString()) return absl::OkStatus();
  }
  return absl::AlreadyExistsError(
      absl::StrCat("revision ", job.profile_revision(), " of the job of id ", job_id, " is not the next one"));
}

// Whether the plan that the database holds is the one, with its report, that is being put.
absl::StatusOr<bool> IsKept(const Attempt& attempt, int64_t job_id, const NewPlan& plan) {
  const absl::StatusOr<Rows> rows =
      attempt.connection.Query("SELECT message, missing_ranks FROM greenplan_plans WHERE job = $1 AND round = $2",
                               {job_id, plan.plan.round()}, attempt.deadline);
  if (!rows.ok()) return rows.status();
  if (rows->size() == 0 || rows->Bytes(0, 0) != plan.plan.SerializeAsString() ||
      rows->Bytes(0, 1) != EncodeRanks(plan.missing_ranks)) {
    return false;
  }
  if (!plan.report.has_value()) return true;
  const RankRow report(*plan.report);
  const absl::StatusOr<std::optional<std::string>> kept = FindBytesOfRank(attempt, job_id, report);
  if (!kept.ok()) return kept.status();
  return *kept == report.message;
}

absl::Status InsertReportOfPlan(const Attempt& attempt, int64_t job_id, const v1::ImportanceReport& report) {
  const absl::StatusOr<bool> is_new = InsertRankRow(attempt, job_id, RankRow(report));
  if (!is_new.ok() || *is_new) return is_new.status();
  return absl::AlreadyExistsError(
      absl::StrCat("rank ", report.rank(), " has reported for round ", report.round(), " of the job of id ", job_id));
}

}  // namespace

absl::Status InsertJob(const Attempt& attempt, const JobKey& key, const KeptJob& job) {
  if (attempt.may_be_done) {
    const absl::StatusOr<Rows> kept = attempt.connection.Query(
        "SELECT id FROM greenplan_jobs WHERE tenant = $1 AND name = $2", {key.tenant, key.name}, attempt.deadline);
    if (!kept.ok()) return kept.status();
    if (kept->size() == 1 && kept->Number(0, 0) == job.id) return absl::OkStatus();
  }
  absl::Status status = attempt.connection.Execute(
      "INSERT INTO greenplan_jobs (id, tenant, name, revision, num_bytes, last_use) VALUES ($1, $2, $3, $4, $5, $6)",
      {job.id, key.tenant, key.name, job.job.profile_revision(), static_cast<int64_t>(job.job.ByteSizeLong()),
       ToNumber(job.job.create_time())},
      attempt.deadline);
  if (!status.ok()) return status;
  return InsertRevision(attempt, job.id, job.job);
}

absl::Status UpdateJob(const Attempt& attempt, int64_t job_id, const v1::Job& job) {
  const absl::StatusOr<Rows> rows = attempt.connection.Query(
      "UPDATE greenplan_jobs SET revision = $2, num_bytes = num_bytes + $3, last_use = GREATEST(last_use, $4) "
      "WHERE id = $1 AND revision = $2 - 1",
      {job_id, job.profile_revision(), static_cast<int64_t>(job.ByteSizeLong()), ToNumber(job.update_time())},
      attempt.deadline);
  if (!rows.ok()) return rows.status();
  return rows->num_changed() == 1 ? InsertRevision(attempt, job_id, job) : WhyNotUpdated(attempt, job_id, job);
}

absl::Status DeleteIdleJob(const Attempt& attempt, int64_t job_id, absl::Time time) {
  const absl::StatusOr<Rows> rows = attempt.connection.Query(
      "DELETE FROM greenplan_jobs WHERE id = $1 AND last_use < $2", {job_id, ToNumber(time)}, attempt.deadline);
  if (!rows.ok() || rows->num_changed() == 1) return rows.status();
  if (!attempt.may_be_done) return NoJob(job_id);
  const absl::StatusOr<Rows> left =
      attempt.connection.Query("SELECT id FROM greenplan_jobs WHERE id = $1", {job_id}, attempt.deadline);
  // The attempt whose answer was lost has deleted it.
  if (!left.ok() || left->size() == 0) return left.status();
  return NoJob(job_id);
}

absl::Status DeletedMeanwhile() { return absl::AbortedError("a job was deleted while it was changed"); }

absl::StatusOr<bool> InsertRankRow(const Attempt& attempt, int64_t job_id, const RankRow& row) {
  const std::string sql = absl::StrCat("INSERT INTO ", row.table,
                                       " (job, round, rank, message) VALUES ($1, $2, $3, $4) "
                                       "ON CONFLICT (job, round, rank) DO NOTHING");
  const absl::StatusOr<Rows> rows =
      attempt.connection.Query(sql.c_str(), {job_id, row.round, row.rank, row.message}, attempt.deadline);
  if (!rows.ok()) return NoJobIfNotFound(rows.status(), job_id);
  return rows->num_changed() == 1;
}

absl::StatusOr<std::optional<std::string>> FindBytesOfRank(const Attempt& attempt, int64_t job_id, const RankRow& row) {
  const std::string sql =
      absl::StrCat("SELECT message FROM ", row.table, " WHERE job = $1 AND round = $2 AND rank = $3");
  const absl::StatusOr<Rows> rows =
      attempt.connection.Query(sql.c_str(), {job_id, row.round, row.rank}, attempt.deadline);
  if (!rows.ok()) return rows.status();
  if (rows->size() == 0) return std::nullopt;
  return std::string(rows->Bytes(0, 0));
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

absl::Status PutPlan(const Attempt& attempt, int64_t job_id, const NewPlan& plan) {
  if (attempt.may_be_done) {
    const absl::StatusOr<bool> is_kept = IsKept(attempt, job_id, plan);
    if (!is_kept.ok() || *is_kept) return is_kept.status();
  }
  const int64_t round = plan.plan.round();
  if (plan.report.has_value()) {
    if (absl::Status status = InsertReportOfPlan(attempt, job_id, *plan.report); !status.ok()) return status;
  }
  const absl::Status status = attempt.connection.Execute(
      "INSERT INTO greenplan_plans (job, round, message, missing_ranks) VALUES ($1, $2, $3, $4)",
      {job_id, round, plan.plan.SerializeAsString(), EncodeRanks(plan.missing_ranks)}, attempt.deadline);
  if (!status.ok()) return NoJobIfNotFound(status, job_id);
  return ChangeRound(attempt, job_id, round,
                     {.num_reports = plan.report.has_value() ? 1 : 0, .is_planned = true, .opening = plan.opening})
      .status();
}

}  // namespace greenplan::postgres
