#include "planner/service/round_average.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "planner/job/report_average.h"
#include "planner/service/page_reader.h"

namespace greenplan {
namespace {

constexpr int kReportsAtATime = 1000;

absl::Status DoesNotFit(const v1::ImportanceReport& report, const PreparedJob& job, const absl::Status& why) {
  return absl::DataLossError(absl::StrCat("the report of rank ", report.rank(), " for round ", report.round(), " of ",
                                          job.job().name(), " was kept but is not valid: ", why.message()));
}

// What one report adds to the mean. One without importance, which methods full and drop take, says nothing about any
// tensor, rather than that each is worth 0.
absl::StatusOr<Measurements> ReadKept(const v1::ImportanceReport& report, const PreparedJob& job) {
  absl::StatusOr<Measurements> measurements = job.ReadReport(report);
  if (!measurements.ok()) return DoesNotFit(report, job, measurements.status());
  if (report.importance().empty()) {
    measurements->unmeasured.resize(measurements->importance.size());
    std::iota(measurements->unmeasured.begin(), measurements->unmeasured.end(), 0);
  }
  return measurements;
}

std::vector<int32_t> AllRanksBut(const std::vector<int32_t>& ranks, int32_t world_size) {
  std::vector<int32_t> result;
  result.reserve(world_size - ranks.size());
  auto next = ranks.begin();
  for (int32_t rank = 0; rank < world_size; ++rank) {
    if (next != ranks.end() && *next == rank) {
      ++next;
    } else {
      result.push_back(rank);
    }
  }
  return result;
}

}  // namespace

absl::StatusOr<RoundAverage> AverageRound(Store& store, const PreparedJob& job, int64_t job_id, int64_t round,
                                          const std::vector<int32_t>& missing_ranks) {
  const ModelProfile& profile = job.profile().profile();
  ReportAverage average(profile.tensors.size(), profile.blocks.size());
  RoundAverage result;
  std::vector<int32_t> ranks;  // In the mean.
  for (int32_t after_rank = -1;;) {
    const absl::StatusOr<std::vector<v1::ImportanceReport>> reports =
        store.ListReports(job_id, round, after_rank, kReportsAtATime);
    if (!reports.ok()) return reports.status();
    for (const v1::ImportanceReport& report : *reports) {
      after_rank = report.rank();
      if (std::binary_search(missing_ranks.begin(), missing_ranks.end(), report.rank())) continue;
      const absl::StatusOr<Measurements> measurements = ReadKept(report, job);
      if (!measurements.ok()) return measurements.status();
      average.Add(*measurements, report.sample_count());
      ranks.push_back(report.rank());
      result.has_importance = result.has_importance || !report.importance().empty();
    }
    if (HoldsAllThatIsLeft(*reports, kReportsAtATime)) break;
  }
  if (ranks.empty()) {
    return absl::NotFoundError(absl::StrCat("round ", round, " of ", job.job().name(), " has no reports"));
  }
  result.measurements = average.Result();
  result.missing_ranks = AllRanksBut(ranks, job.job().world_size());
  return result;
}

}  // namespace greenplan
