#ifndef GREENPLAN_PLANNER_STORE_SQLITE_CHANGES_H_
#define GREENPLAN_PLANNER_STORE_SQLITE_CHANGES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/job.pb.h"
#include "planner/store/sqlite/database.h"
#include "planner/store/store.h"

namespace greenplan {

// The statements that the store's transactions are made of. Their errors are those of Statement, and those named here.

// Adds the revision job.profile_revision of the job.
absl::Status InsertRevision(Database& database, int64_t job_id, const v1::Job& job);

// What one rank tells of one round, a report or an outcome, on its way into the database. It is made before the
// transaction, for which others wait.
struct RankRow {
  explicit RankRow(const v1::ImportanceReport& report)
      : round(report.round()), rank(report.rank()), message(report.SerializeAsString()) {}
  explicit RankRow(const v1::Outcome& outcome)
      : round(outcome.round()), rank(outcome.rank()), message(outcome.SerializeAsString()) {}

  const int64_t round;
  const int32_t rank;
  const std::string message;
};

// AlreadyExists if the rank has reported in this round.
absl::Status InsertReport(Database& database, int64_t job_id, const RankRow& report);

absl::Status CountReport(Database& database, int64_t job_id, int64_t round);

// Adds the round if it is not there, which is a use of the job. NotFound if there is no such job.
absl::Status OpenRound(Database& database, int64_t job_id, int64_t round, const RoundOpening& opening);

// Does what OpenRound, CountReport and CloseRound do, in one statement.
absl::Status ReportAndClose(Database& database, int64_t job_id, int64_t round, const RoundOpening& opening);

// NotFound if there is no such round.
absl::StatusOr<KeptRound> FindRound(Database& database, int64_t job_id, int64_t round);

// The report of a rank, if it has sent one.
absl::StatusOr<std::optional<v1::ImportanceReport>> FindReport(Database& database, int64_t job_id, int64_t round,
                                                               int32_t rank);

// Adds the outcome unless the rank has sent one for this round before, and returns that one. NotFound if there is no
// such job.
absl::StatusOr<std::optional<v1::Outcome>> InsertOrFindOutcome(Database& database, int64_t job_id,
                                                               const RankRow& outcome);

// `message` is a serialized plan, `missing_ranks` what EncodeRanks returns. AlreadyExists if the round has a plan.
// NotFound if there is no such job.
absl::Status InsertPlan(Database& database, int64_t job_id, int64_t round, const std::string& message,
                        const std::string& missing_ranks);

absl::Status CloseRound(Database& database, int64_t job_id, int64_t round);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SQLITE_CHANGES_H_
