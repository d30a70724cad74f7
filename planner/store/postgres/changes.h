#ifndef GREENPLAN_PLANNER_STORE_POSTGRES_CHANGES_H_
#define GREENPLAN_PLANNER_STORE_POSTGRES_CHANGES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/job.pb.h"
#include "planner/store/postgres/rows.h"
#include "planner/store/postgres/transaction.h"
#include "planner/store/store.h"

// The statements that the driver's transactions are made of, on the tables of schema.cc. Their errors are those of
// Connection::Query, and those named here.
namespace greenplan::postgres {

// Adds a job with its first revision. AlreadyExists if its tenant has another job of this name.
absl::Status InsertJob(const Attempt& attempt, const JobKey& key, const KeptJob& job);

// Adds the revision job.profile_revision. OK too if an attempt whose answer was lost has added it. AlreadyExists if it
// is not the next one; NotFound if there is no such job.
absl::Status UpdateJob(const Attempt& attempt, int64_t job_id, const v1::Job& job);

// Deletes a job that has not been used since `time`. NotFound if there is none.
absl::Status DeleteIdleJob(const Attempt& attempt, int64_t job_id, absl::Time time);

// What one rank tells of one round, a report or an outcome, on its way into its table. It is made before the
// transaction, which may have to run again.
struct RankRow {
  explicit RankRow(const v1::ImportanceReport& report)
      : table("greenplan_reports"), round(report.round()), rank(report.rank()), message(report.SerializeAsString()) {}
  explicit RankRow(const v1::Outcome& outcome)
      : table("greenplan_outcomes"),
        round(outcome.round()),
        rank(outcome.rank()),
        message(outcome.SerializeAsString()) {}

  const char* const table;
  const int64_t round;
  const int64_t rank;
  const std::string message;
};

// Adds the row unless the rank has one for this round. Returns whether it was added. NotFound if there is no such job.
absl::StatusOr<bool> InsertRankRow(const Attempt& attempt, int64_t job_id, const RankRow& row);

// Returns the bytes that the rank has sent; nullopt if there are none.
absl::StatusOr<std::optional<std::string>> FindBytesOfRank(const Attempt& attempt, int64_t job_id, const RankRow& row);

// A row that a statement has just met is gone: its job was deleted in between. The next attempt will find no job.
absl::Status DeletedMeanwhile();

// Returns what the rank has sent if InsertRankRow has added nothing; nullopt if it was the same row, which an attempt
// has added whose answer was lost. Aborted if the job was deleted meanwhile.
template <typename Message>
absl::StatusOr<std::optional<Message>> FindEarlier(const Attempt& attempt, int64_t job_id, const RankRow& row) {
  const absl::StatusOr<std::optional<std::string>> kept = FindBytesOfRank(attempt, job_id, row);
  if (!kept.ok()) return kept.status();
  if (!kept->has_value()) return DeletedMeanwhile();
  if (attempt.may_be_done && **kept == row.message) return std::nullopt;
  return ParseMessage<Message>(attempt.connection.medium(), **kept);
}

// What a change adds to a round.
struct RoundChange {
  int64_t num_reports = 0;
  bool is_planned = false;
  RoundOpening opening;  // Used if these are the round's first reports.
};

// Makes the round's row or changes it, and keeps it locked until the transaction ends. Returns the round as it then is.
// NotFound if there is no such job.
absl::StatusOr<KeptRound> ChangeRound(const Attempt& attempt, int64_t job_id, int64_t round, const RoundChange& change);

// Returns the round; nullopt if nobody has reported for it.
absl::StatusOr<std::optional<KeptRound>> FindRound(const Attempt& attempt, int64_t job_id, int64_t round);

// Adds the plan, its report if it has one, and the round's row. OK too if an attempt whose answer was lost has done so.
// AlreadyExists if the round has a plan, or the rank has reported. NotFound if there is no such job.
absl::Status PutPlan(const Attempt& attempt, int64_t job_id, const NewPlan& plan);

}  // namespace greenplan::postgres

#endif  // GREENPLAN_PLANNER_STORE_POSTGRES_CHANGES_H_
