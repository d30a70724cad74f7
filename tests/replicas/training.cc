#include "tests/replicas/training.h"

#include <algorithm>
#include <memory>

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

Training::Training(const Options& options) : options_(options) {
  for (int job = 0; job < options.num_jobs; ++job) {
    for (int32_t rank = 0; rank < options.world_size; ++rank) {
      ranks_.emplace_back([this, job, rank] { Train({job, rank}); });
    }
  }
}

Training::~Training() { Stop(); }

void Training::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    end_ = newest_ + 1;
    is_paused_ = false;
  }
  for (std::thread& rank : ranks_) rank.join();
  ranks_.clear();
}

void Training::SetPaused(bool is_paused) {
  absl::MutexLock lock(&mutex_);
  is_paused_ = is_paused;
}

bool Training::Begins(int64_t round) {
  const auto may_begin = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !is_paused_; };
  absl::MutexLock lock(&mutex_, absl::Condition(&may_begin));
  if (round >= end_) return false;
  newest_ = std::max(newest_, round);
  return true;
}

void Training::Train(const Rank& rank) {
  const std::unique_ptr<Connection> planner = ConnectTo(options_.addresses(rank.rank));
  std::string job_name;
  for (int64_t i = 0; Begins(i); ++i) {
    const int64_t round = i % options_.rounds_per_job;
    if (round == 0) {
      job_name = absl::StrCat(options_.name, rank.job, "-", i / options_.rounds_per_job);
      const auto job = planner->CreateJob(MakeJob(job_name, options_.world_size));
      ASSERT_TRUE(job.ok()) << job.status();
      history_.AddJob(*job);
    }
    const absl::Status status = TrainRound(*planner, job_name, round, rank.rank);
    ASSERT_TRUE(status.ok()) << job_name << ", round " << round << ", rank " << rank.rank << ": " << status;
  }
}

absl::Status Training::TrainRound(Connection& planner, const std::string& job_name, int64_t round, int32_t rank) {
  const v1::ImportanceReport report = MakeReport(round, rank);
  const absl::StatusOr<v1::Plan> plan = planner.PlanRound(job_name, report);
  if (!plan.ok()) return plan.status();
  history_.AddPlan(job_name, report, *plan);
  const absl::StatusOr<v1::Plan> kept = planner.GetPlan(plan->name());
  if (!kept.ok()) return kept.status();
  EXPECT_EQ(kept->SerializeAsString(), plan->SerializeAsString());
  v1::Outcome outcome = TestOutcome(round);
  outcome.set_rank(rank);
  if (absl::Status status = planner.ReportOutcome(job_name, outcome); !status.ok()) return status;
  history_.AddOutcome(job_name, outcome);
  return absl::OkStatus();
}

}  // namespace greenplan
