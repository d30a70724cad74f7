#include "planner/store/testing/store_conformance.h"

#include <atomic>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"

namespace greenplan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::Job MakeJob(const std::string& name) {
  v1::Job job;
  job.set_name(name);
  job.set_world_size(2);
  job.set_profile_digest(std::string("d\0igest", 7));
  job.mutable_profile()->add_tensors()->set_name("weight");
  return job;
}

v1::ImportanceReport MakeReport(int64_t round, int32_t rank) {
  v1::ImportanceReport report;
  report.set_round(round);
  report.set_rank(rank);
  report.add_importance(-0.0);
  report.add_importance(std::numeric_limits<double>::denorm_min());
  return report;
}

v1::Plan MakePlan(int64_t round, double value = 1) {
  v1::Plan plan;
  plan.set_round(round);
  plan.set_value(value);
  plan.set_trainable(std::string("\0\x80", 2));
  return plan;
}

std::vector<std::string> Names(const std::vector<v1::Job>& jobs) {
  std::vector<std::string> names;
  for (const v1::Job& job : jobs) names.push_back(job.name());
  return names;
}

std::vector<int64_t> Rounds(const std::vector<v1::Plan>& plans) {
  std::vector<int64_t> rounds;
  for (const v1::Plan& plan : plans) rounds.push_back(plan.round());
  return rounds;
}

TEST_P(StoreConformanceTest, KeepsAJobByteForByte) {
  ASSERT_TRUE(store_->PutJob(MakeJob("jobs/a")).ok());
  const auto job = store_->GetJob("jobs/a");
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->SerializeAsString(), MakeJob("jobs/a").SerializeAsString());
}

TEST_P(StoreConformanceTest, NeverReplacesAJob) {
  ASSERT_TRUE(store_->PutJob(MakeJob("jobs/a")).ok());
  v1::Job other = MakeJob("jobs/a");
  other.set_world_size(7);
  EXPECT_EQ(store_->PutJob(other).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(store_->GetJob("jobs/a")->world_size(), 2);
}

TEST_P(StoreConformanceTest, WhatWasNeverPutIsNotFound) {
  EXPECT_EQ(store_->GetJob("jobs/a").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->GetPlan("jobs/a", 0).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(store_->PutJob(MakeJob("jobs/a")).ok());
  EXPECT_EQ(store_->GetJob("jobs/A").status().code(), absl::StatusCode::kNotFound) << "names differ by case";
  const auto plan = store_->GetPlan("jobs/a", 3);
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(plan.status().message(), HasSubstr("round 3 of jobs/a does not exist"));
  EXPECT_THAT(*store_->ListReports("jobs/a", 3), IsEmpty());
  EXPECT_THAT(*store_->ListPlans("jobs/b", 0, 10), IsEmpty());
}

TEST_P(StoreConformanceTest, KeepsARoundByteForByteAndItsReportsByRank) {
  ASSERT_TRUE(store_->PutJob(MakeJob("jobs/a")).ok());
  ASSERT_TRUE(store_->PutRound("jobs/a", {MakeReport(5, 1), MakeReport(5, 0)}, MakePlan(5)).ok());
  const auto plan = store_->GetPlan("jobs/a", 5);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->SerializeAsString(), MakePlan(5).SerializeAsString());
  const auto reports = store_->ListReports("jobs/a", 5);
  ASSERT_TRUE(reports.ok()) << reports.status();
  ASSERT_EQ(reports->size(), 2u);
  EXPECT_EQ((*reports)[0].SerializeAsString(), MakeReport(5, 0).SerializeAsString());
  EXPECT_EQ((*reports)[1].SerializeAsString(), MakeReport(5, 1).SerializeAsString());
}

TEST_P(StoreConformanceTest, ARoundThatIsRefusedLeavesNothingBehind) {
  EXPECT_EQ(store_->PutRound("jobs/a", {MakeReport(0, 0)}, MakePlan(0)).code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(store_->PutJob(MakeJob("jobs/a")).ok());
  EXPECT_THAT(*store_->ListReports("jobs/a", 0), IsEmpty());

  ASSERT_TRUE(store_->PutRound("jobs/a", {MakeReport(0, 0)}, MakePlan(0, 1)).ok());
  EXPECT_EQ(store_->PutRound("jobs/a", {MakeReport(0, 1)}, MakePlan(0, 2)).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(store_->GetPlan("jobs/a", 0)->value(), 1);
  EXPECT_EQ(store_->ListReports("jobs/a", 0)->size(), 1u);
  EXPECT_TRUE(store_->PutRound("jobs/a", {MakeReport(1, 1)}, MakePlan(1, 2)).ok()) << "the store goes on";
}

TEST_P(StoreConformanceTest, ListsJobsInTheOrderOfTheirNamesPageByPage) {
  for (const char* name : {"jobs/b", "jobs/a", "jobs/B", "jobs/a.1", "jobs/_"}) {
    ASSERT_TRUE(store_->PutJob(MakeJob(name)).ok());
  }
  EXPECT_THAT(Names(*store_->ListJobs("", 100)), ElementsAre("jobs/B", "jobs/_", "jobs/a", "jobs/a.1", "jobs/b"));
  EXPECT_THAT(Names(*store_->ListJobs("", 2)), ElementsAre("jobs/B", "jobs/_"));
  EXPECT_THAT(Names(*store_->ListJobs("jobs/_", 2)), ElementsAre("jobs/a", "jobs/a.1"));
  EXPECT_THAT(Names(*store_->ListJobs("jobs/b", 2)), IsEmpty());
}

TEST_P(StoreConformanceTest, ListsTheJobsOwnPlansByRound) {
  constexpr int64_t kLast = std::numeric_limits<int64_t>::max();
  ASSERT_TRUE(store_->PutJob(MakeJob("jobs/a")).ok());
  ASSERT_TRUE(store_->PutJob(MakeJob("jobs/b")).ok());
  for (const int64_t round : {kLast, int64_t{2}, int64_t{10}, int64_t{0}}) {
    ASSERT_TRUE(store_->PutRound("jobs/a", {MakeReport(round, 0)}, MakePlan(round)).ok());
  }
  ASSERT_TRUE(store_->PutRound("jobs/b", {}, MakePlan(1)).ok());
  EXPECT_THAT(Rounds(*store_->ListPlans("jobs/a", 0, 100)), ElementsAre(0, 2, 10, kLast));
  EXPECT_THAT(Rounds(*store_->ListPlans("jobs/a", 1, 2)), ElementsAre(2, 10));
  EXPECT_THAT(Rounds(*store_->ListPlans("jobs/b", 0, 100)), ElementsAre(1));
}

TEST_P(StoreConformanceTest, OneOfManyRacingWritersKeepsTheRound) {
  ASSERT_TRUE(store_->PutJob(MakeJob("jobs/a")).ok());
  constexpr int kWriters = 8;
  std::atomic<int> winners = 0;
  std::atomic<int> winning_value = -1;
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&, i] {
      const absl::Status status = store_->PutRound("jobs/a", {MakeReport(0, 0)}, MakePlan(0, i));
      if (status.ok()) {
        ++winners;
        winning_value = i;
      } else {
        EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists) << status;
      }
      EXPECT_TRUE(store_->GetPlan("jobs/a", 0).ok());
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(winners, 1);
  EXPECT_EQ(store_->GetPlan("jobs/a", 0)->value(), winning_value);
}

TEST_P(StoreConformanceTest, ADurableStoreFindsEverythingAgain) {
  if (!medium_->is_durable()) GTEST_SKIP() << "not a durable driver";
  ASSERT_TRUE(store_->PutJob(MakeJob("jobs/a")).ok());
  ASSERT_TRUE(store_->PutRound("jobs/a", {MakeReport(0, 0)}, MakePlan(0)).ok());
  store_.reset();
  store_ = medium_->Open();
  EXPECT_EQ(store_->GetJob("jobs/a")->SerializeAsString(), MakeJob("jobs/a").SerializeAsString());
  EXPECT_EQ(store_->GetPlan("jobs/a", 0)->SerializeAsString(), MakePlan(0).SerializeAsString());
  EXPECT_EQ(store_->ListReports("jobs/a", 0)->size(), 1u);
  EXPECT_EQ(store_->PutJob(MakeJob("jobs/a")).code(), absl::StatusCode::kAlreadyExists);
}

}  // namespace
}  // namespace greenplan
