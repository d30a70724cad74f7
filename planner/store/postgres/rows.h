#ifndef GREENPLAN_PLANNER_STORE_POSTGRES_ROWS_H_
#define GREENPLAN_PLANNER_STORE_POSTGRES_ROWS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"
#include "greenplan/v1/job.pb.h"
#include "planner/store/postgres/connection.h"
#include "planner/store/store.h"

// How the rows of the tables of schema.cc become messages. `medium` is what errors call the database; bytes in it that
// are no message are DataLoss.
namespace greenplan::postgres {

// NotFound: there is no job of this name, or with this id.
absl::Status NoJob(absl::string_view name);
absl::Status NoJob(int64_t job_id);

// DataLoss: the database holds bytes that are no `what`.
absl::Status Malformed(const std::string& medium, absl::string_view what);

// Return a time as a table keeps it: nanoseconds since the Unix epoch.
int64_t ToNumber(absl::Time time);
int64_t ToNumber(const google::protobuf::Timestamp& time);

template <typename Message>
absl::StatusOr<Message> ParseMessage(const std::string& medium, absl::string_view bytes) {
  Message message;
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return message;
  return Malformed(medium, message.GetTypeName());
}

// The first column of every row.
template <typename Message>
absl::StatusOr<std::vector<Message>> ParseRows(const std::string& medium, const Rows& rows) {
  std::vector<Message> messages;
  for (int row = 0; row < rows.size(); ++row) {
    absl::StatusOr<Message> message = ParseMessage<Message>(medium, rows.Bytes(row, 0));
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

}  // namespace greenplan::postgres

#endif  // GREENPLAN_PLANNER_STORE_POSTGRES_ROWS_H_
