#include "planner/store/sqlite/rows.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "planner/store/rank_list.h"

namespace greenplan {
namespace {

absl::Status Malformed(const Database& database, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(database.path(), " is damaged: it holds a malformed ", what));
}

}  // namespace

int64_t ToNumber(absl::Time time) { return absl::ToUnixNanos(time); }

int64_t ToNumber(const google::protobuf::Timestamp& time) { return time.seconds() * 1'000'000'000 + time.nanos(); }

absl::Status NoJob(absl::string_view name) { return absl::NotFoundError(absl::StrCat(name, " does not exist")); }

absl::Status NoJob(int64_t job_id) { return NoJob(absl::StrCat("the job of id ", job_id)); }

absl::Status StepToRow(Statement& query, const std::function<absl::Status()>& not_found) {
  const absl::StatusOr<bool> row = query.Step();
  if (!row.ok()) return row.status();
  return *row ? absl::OkStatus() : not_found();
}

absl::Status StepToRevision(Statement& query, int64_t job_id, int64_t revision) {
  query.BindNumber(1, job_id);
  query.BindNumber(2, revision);
  return StepToRow(query, [&] { return NoJob(absl::StrCat("revision ", revision, " of the job of id ", job_id)); });
}

absl::Status CheckIsIntact(const Database& database, const Statement& query, int column, absl::string_view what) {
  if (query.Number(column) != 0) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(database.path(), " is damaged: a ", what, " has changed since it was written"));
}

absl::Status ParseColumn(const Database& database, const Statement& query, int column,
                         google::protobuf::Message& message) {
  const absl::string_view bytes = query.Blob(column);
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return absl::OkStatus();
  return Malformed(database, message.GetTypeName());
}

KeptRound ReadRound(const Statement& query) {
  return {.job_id = query.Number(0),
          .round = query.Number(1),
          .revision = query.Number(2),
          .open_time = absl::FromUnixNanos(query.Number(3)),
          .deadline = absl::FromUnixNanos(query.Number(4)),
          .num_reports = query.Number(5),
          .is_planned = query.Number(6) != 0};
}

absl::StatusOr<v1::Job> ReadJob(const Database& database, const Statement& query, int column) {
  v1::Job job;
  absl::Status status = CheckIsIntact(database, query, column + 2, v1::Job::descriptor()->full_name());
  if (status.ok()) status = ParseColumn(database, query, column, job);
  if (status.ok()) status = ParseColumn(database, query, column + 1, *job.mutable_profile());
  if (!status.ok()) return status;
  return job;
}

absl::StatusOr<KeptPlan> ReadPlan(const Database& database, const Statement& query) {
  v1::Plan plan;
  absl::Status status = CheckIsIntact(database, query, 2, v1::Plan::descriptor()->full_name());
  if (status.ok()) status = ParseColumn(database, query, 0, plan);
  if (!status.ok()) return status;
  std::optional<std::vector<int32_t>> missing_ranks = DecodeRanks(query.Blob(1));
  if (!missing_ranks.has_value()) return Malformed(database, "list of ranks");
  return KeptPlan{std::move(plan), *std::move(missing_ranks)};
}

}  // namespace greenplan
