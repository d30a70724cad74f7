#ifndef GREENPLAN_PLANNER_STORE_POSTGRES_STATEMENTS_H_
#define GREENPLAN_PLANNER_STORE_POSTGRES_STATEMENTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "planner/store/postgres/connection.h"
#include "planner/store/postgres/transaction.h"
#include "planner/store/store.h"

// What the driver's transactions are made of: statements on the tables of schema.cc, and reading their rows.
namespace greenplan::postgres {

// NotFound: there is no job of this name, or with this id.
absl::Status NoJob(absl::string_view name);
absl::Status NoJob(int64_t job_id);
// A foreign key that points nowhere means that there is no such job.
absl::Status NoJobIfNotFound(const absl::Status& status, int64_t job_id);
// DataLoss: the database `medium` holds bytes that are no `what`.
absl::Status Malformed(const std::string& medium, absl::string_view what);

// Return a time as a table keeps it: nanoseconds since the Unix epoch.
int64_t ToNumber(absl::Time time);
int64_t ToNumber(const google::protobuf::Timestamp& time);

template <typename Message>
absl::StatusOr<Message> ParseColumn(const std::string& medium, const Rows& rows, int row, int column = 0) {
  const absl::string_view bytes = rows.Bytes(row, column);
  Message message;
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return message;
  return Malformed(medium, message.GetTypeName());
}

// The first column of every row.
template <typename Message>
absl::StatusOr<std::vector<Message>> ParseRows(const std::string& medium, const Rows& rows) {
  std::vector<Message> messages;
  for (int row = 0; row < rows.size(); ++row) {
    absl::StatusOr<Message> message = ParseColumn<Message>(medium, rows, row);
    if (!message.ok()) return message.status();
    messages.push_back(*std::move(message));
  }
  return messages;
}

// What ReadRound reads, in this order.
inline constexpr char kRoundColumns[] = "job, round, revision, open_time, deadline, num_reports, is_planned";
// Reads a row whose columns are kRoundColumns.
KeptRound ReadRound(const Rows& rows, int row);
// The columns are a job without its profile, and the profile. REQUIRES: rows.size() > 0.
absl::StatusOr<v1::Job> ReadJob(const std::string& medium, const Rows& rows, int column);
// The columns are message and missing_ranks. REQUIRES: rows.size() > 0.
absl::StatusOr<KeptPlan> ReadPlan(const std::string& medium, const Rows& rows);

// A message as a table keeps it, by its primary key.
struct KeptMessage {
  const char* table;
  int64_t job_id;
  int64_t round;
  int64_t rank;
};

// Adds a row unless its key is taken. Returns whether it was added. NotFound if there is no such job.
absl::StatusOr<bool> InsertMessage(const Attempt& attempt, const KeptMessage& key, const std::string& message);
// Returns the bytes of a row; nullopt if there is none.
absl::StatusOr<std::optional<std::string>> FindMessage(const Attempt& attempt, const KeptMessage& key);

// Adds a revision of a job, with its profile.
absl::Status InsertRevision(const Attempt& attempt, int64_t job_id, const v1::Job& job);

// What a change adds to a round.
struct RoundChange {
  int64_t num_reports = 0;
  bool is_planned = false;
  RoundOpening opening;  // Used if these are the round's first reports.
};

// Makes the round's row or changes it, and keeps it locked until the transaction ends. Returns the round as it then is.
absl::StatusOr<KeptRound> ChangeRound(const Attempt& attempt, int64_t job_id, int64_t round, const RoundChange& change);
// Returns the round; nullopt if nobody has reported for it.
absl::StatusOr<std::optional<KeptRound>> FindRound(const Attempt& attempt, int64_t job_id, int64_t round);

}  // namespace greenplan::postgres

#endif  // GREENPLAN_PLANNER_STORE_POSTGRES_STATEMENTS_H_
