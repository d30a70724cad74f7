#ifndef GREENPLAN_PLANNER_STORE_SQLITE_ROWS_H_
#define GREENPLAN_PLANNER_STORE_SQLITE_ROWS_H_

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "google/protobuf/timestamp.pb.h"
#include "greenplan/v1/job.pb.h"
#include "planner/store/sqlite/database.h"
#include "planner/store/store.h"

namespace greenplan {

// How the rows of the database become messages. Each row that holds a message has a checksum over what belongs
// together; a row that does not agree with its own is a DataLoss error that names the database and the message.

// Columns of a query that say whether a row is as it was written: of job_revisions, of plans, and of reports and
// outcomes.
inline constexpr char kRevisionIsIntact[] =
    "job_revisions.checksum IS greenplan_crc32(job_revisions.job, job_revisions.revision, message, profile)";
inline constexpr char kPlanIsIntact[] = "checksum IS greenplan_crc32(job, round, message, missing_ranks)";
inline constexpr char kRankIsIntact[] = "checksum IS greenplan_crc32(job, round, rank, message)";

// The columns that ReadRound reads.
inline constexpr char kRoundColumns[] = "job, round, revision, open_time, deadline, num_reports, is_planned";

// Times are kept as nanoseconds since 1970.
int64_t ToNumber(absl::Time time);
int64_t ToNumber(const google::protobuf::Timestamp& time);

// NotFound errors that name the job.
absl::Status NoJob(absl::string_view name);
absl::Status NoJob(int64_t job_id);

// Moves to the first row of `query`; returns not_found() if there is none.
absl::Status StepToRow(Statement& query, const std::function<absl::Status()>& not_found);

// Moves to a job's revision. `query` has two parameters: the job's id, and the revision. NotFound if there is none.
absl::Status StepToRevision(Statement& query, int64_t job_id, int64_t revision);

// Each of these reads the row that `query` stands at. Columns: those of kRoundColumns.
KeptRound ReadRound(const Statement& query);
// Columns from `column` on: a job without its profile, the profile, kRevisionIsIntact.
absl::StatusOr<v1::Job> ReadJob(const Database& database, const Statement& query, int column);
// Columns: a plan, its missing ranks, kPlanIsIntact.
absl::StatusOr<KeptPlan> ReadPlan(const Database& database, const Statement& query);

// DataLoss unless `column`, one of those that say whether a row is intact, is true.
absl::Status CheckIsIntact(const Database& database, const Statement& query, int column, absl::string_view what);

// Fills `message` from a column.
absl::Status ParseColumn(const Database& database, const Statement& query, int column,
                         google::protobuf::Message& message);

// Reads a row of two columns: a message, and whether the row is intact.
template <typename Message>
absl::StatusOr<Message> ReadIntact(const Database& database, const Statement& query) {
  Message message;
  absl::Status status = CheckIsIntact(database, query, 1, Message::descriptor()->full_name());
  if (status.ok()) status = ParseColumn(database, query, 0, message);
  if (!status.ok()) return status;
  return message;
}

// Returns what read(), an absl::StatusOr<Row>, makes of each row of `query`.
template <typename Row, typename Read>
absl::StatusOr<std::vector<Row>> ReadRows(Statement& query, const Read& read) {
  std::vector<Row> rows;
  for (;;) {
    const absl::StatusOr<bool> has_row = query.Step();
    if (!has_row.ok()) return has_row.status();
    if (!*has_row) return rows;
    absl::StatusOr<Row> row = read();
    if (!row.ok()) return row.status();
    rows.push_back(*std::move(row));
  }
}

// The same for rows that begin with a message, up to the one with which these take kMaxListBytes.
template <typename Message, typename Read>
absl::StatusOr<std::vector<Message>> ReadList(Statement& query, const Read& read) {
  std::vector<Message> messages;
  for (int64_t num_bytes = 0; num_bytes < kMaxListBytes;) {
    const absl::StatusOr<bool> has_row = query.Step();
    if (!has_row.ok()) return has_row.status();
    if (!*has_row) return messages;
    num_bytes += static_cast<int64_t>(query.Blob(0).size());
    absl::StatusOr<Message> message = read();
    if (!message.ok()) return message.status();
    messages.push_back(*std::move(message));
  }
  return messages;
}

// The same for rows of two columns: a message, and whether the row is intact.
template <typename Message>
absl::StatusOr<std::vector<Message>> ReadIntactList(const Database& database, Statement& query) {
  return ReadList<Message>(query, [&] { return ReadIntact<Message>(database, query); });
}

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SQLITE_ROWS_H_
