#include "planner/store/postgres/rows.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "planner/store/rank_list.h"

namespace greenplan::postgres {

absl::Status NoJob(absl::string_view name) { return absl::NotFoundError(absl::StrCat(name, " does not exist")); }

absl::Status NoJob(int64_t job_id) { return NoJob(absl::StrCat("the job of id ", job_id)); }

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
  absl::StatusOr<v1::Job> job = ParseMessage<v1::Job>(medium, rows.Bytes(0, column));
  if (!job.ok()) return job;
  const absl::string_view profile = rows.Bytes(0, column + 1);
  if (!job->mutable_profile()->ParseFromArray(profile.data(), static_cast<int>(profile.size()))) {
    return Malformed(medium, job->profile().GetTypeName());
  }
  return job;
}

absl::StatusOr<KeptPlan> ReadPlan(const std::string& medium, const Rows& rows) {
  absl::StatusOr<v1::Plan> plan = ParseMessage<v1::Plan>(medium, rows.Bytes(0, 0));
  if (!plan.ok()) return plan.status();
  std::optional<std::vector<int32_t>> missing_ranks = DecodeRanks(rows.Bytes(0, 1));
  if (!missing_ranks.has_value()) return Malformed(medium, "list of ranks");
  return KeptPlan{*std::move(plan), *std::move(missing_ranks)};
}

}  // namespace greenplan::postgres
