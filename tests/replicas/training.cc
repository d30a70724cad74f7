#include "tests/replicas/training.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/job/test_jobs.h"
#include "tests/replicas/replicas.h"

namespace greenplan {

v1::Job MakeJob(const std::string& name, int world_size) {
  v1::Job job = TestJob(name);
  job.set_world_size(world_size);
  job.mutable_quorum_timeout()->set_seconds(600);  // No plan without all ranks.
  return job;
}

v1::ImportanceReport MakeReport(int64_t round, int32_t rank) {
  v1::ImportanceReport report = TestReport(round);
  report.set_rank(rank);
  report.set_importance(0, 1.0 + 0.001 * static_cast<double>(rank) + 0.01 * static_cast<double>(round % 7));
  return report;
}

Training::Training(const Options& options) {
  for (int job = 0; job < options.num_jobs; ++job) {
    for (int32_t rank = 0; rank < options.world_size; ++rank) {
      ranks_.emplace_back([this, addresses = options.addresses(rank), job, rank, world_size = options.world_size] {
        Train(addresses, MakeJob(absl::StrCat("jobs/", job), world_size), rank);
      });
    }
  }
}

Training::~Training() { Stop(); }

void Training::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    end_ = newest_ + 1;
  }
  for (std::thread& rank : ranks_) rank.join();
  ranks_.clear();
}

bool Training::Begins(int64_t round) {
  absl::MutexLock lock(&mutex_);
  if (round >= end_) return false;
  newest_ = std::max(newest_, round);
  return true;
}

void Training::Train(const std::string& addresses, const v1::Job& job, int32_t rank) {
  const auto connection = ConnectTo(addresses);
  const auto created = connection->CreateJob(job);
  ASSERT_TRUE(created.ok()) << created.status();
  for (int64_t round = 0; Begins(round); ++round) {
    const v1::ImportanceReport report = MakeReport(round, rank);
    const auto plan = connection->PlanRound(job.name(), report);
    ASSERT_TRUE(plan.ok()) << job.name() << ", round " << round << ", rank " << rank << ": " << plan.status();
    history_.AddPlan(job.name(), report, *plan);
    v1::Outcome outcome = TestOutcome(round);
    outcome.set_rank(rank);
    const absl::Status reported = connection->ReportOutcome(job.name(), outcome);
    ASSERT_TRUE(reported.ok()) << reported;
    history_.AddOutcome(job.name(), outcome);
  }
}

}  // namespace greenplan
