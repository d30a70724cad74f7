#include "planner/service/retention.h"

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/store/memory/memory_store.h"
#include "planner/store/testing/store_wrapper.h"

namespace greenplan {
namespace {

using ::testing::ElementsAre;

absl::Time At(int64_t hours) { return absl::UnixEpoch() + absl::Hours(hours); }

// A store whose failures the test chooses.
class FailingStore : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;

  absl::Status DeleteReports(int64_t job_id, int64_t round) override {
    return is_away ? absl::UnavailableError("away") : StoreWrapper::DeleteReports(job_id, round);
  }
  absl::StatusOr<std::vector<int64_t>> ListIdleJobs(absl::Time time, int limit) override {
    absl::StatusOr<std::vector<int64_t>> jobs = StoreWrapper::ListIdleJobs(time, limit);
    if (after_list) after_list();
    return jobs;
  }
  absl::Status DeleteIdleJob(int64_t job_id, absl::Time time) override {
    return is_away ? absl::UnavailableError("away") : StoreWrapper::DeleteIdleJob(job_id, time);
  }

  bool is_away = false;
  std::function<void()> after_list;
};

class RetentionTest : public ::testing::Test {
 protected:
  // Looks only when the test says so.
  std::unique_ptr<Retention> Start(std::optional<int64_t> kept_report_rounds,
                                   std::optional<absl::Duration> max_idle_time) {
    return std::make_unique<Retention>(
        &store_, Retention::Options{.kept_report_rounds = kept_report_rounds,
                                    .max_idle_time = max_idle_time,
                                    .interval = absl::InfiniteDuration(),
                                    .now = [this] { return now_; },
                                    .on_store_error = [this](const absl::Status&) { ++num_errors_; },
                                    .on_deleted_jobs = [this](int64_t count) { deleted_.push_back(count); }});
  }
  void CreateJob(int64_t id, absl::Time time = absl::UnixEpoch()) {
    v1::Job job;
    job.set_name(absl::StrCat("jobs/", id));
    job.set_profile_revision(1);
    job.mutable_create_time()->set_seconds(absl::ToUnixSeconds(time));
    ASSERT_TRUE(store_.CreateJob({"", job.name()}, {id, job}).ok());
  }
  void PlanRound(int64_t job_id, int64_t round, absl::Time time = absl::UnixEpoch()) {
    NewPlan plan;
    plan.plan.set_round(round);
    plan.report.emplace().set_round(round);
    plan.opening = {.revision = 1, .open_time = time};
    ASSERT_TRUE(store_.PutPlan(job_id, plan).ok());
  }
  // Of the job, the rounds below 20 that have reports.
  std::vector<int64_t> RoundsWithReports(int64_t job_id) {
    std::vector<int64_t> rounds;
    for (int64_t round = 0; round < 20; ++round) {
      if (!store_.ListReports(job_id, round, -1, 9)->empty()) rounds.push_back(round);
    }
    return rounds;
  }
  bool HasJob(int64_t id) { return store_.GetJobHead({"", absl::StrCat("jobs/", id)}).ok(); }

  const std::unique_ptr<Store> memory_ = NewMemoryStore();
  FailingStore store_{memory_.get()};
  absl::Time now_;
  int num_errors_ = 0;
  std::vector<int64_t> deleted_;
};

TEST_F(RetentionTest, ReportsOfTheLatestRoundsStayAndPlansOfAll) {
  CreateJob(1);
  CreateJob(2);
  const auto retention = Start(3, std::nullopt);
  for (int64_t round = 0; round < 6; ++round) PlanRound(1, round);
  PlanRound(2, 0);
  PlanRound(2, 1);
  retention->Look();
  EXPECT_THAT(RoundsWithReports(1), ElementsAre(3, 4, 5));
  EXPECT_THAT(RoundsWithReports(2), ElementsAre(0, 1));
  EXPECT_EQ(store_.ListPlans(1, 0, 100)->size(), 6u);
  PlanRound(1, 6);
  retention->Look();
  EXPECT_THAT(RoundsWithReports(1), ElementsAre(4, 5, 6));
}

TEST_F(RetentionTest, ReportsOfAnOpenRoundStay) {
  CreateJob(1);
  const auto retention = Start(1, std::nullopt);
  v1::ImportanceReport report;
  report.set_round(0);
  ASSERT_TRUE(store_.AddReport(1, report, {.revision = 1}).ok());
  for (int64_t round = 1; round < 4; ++round) PlanRound(1, round);
  retention->Look();
  EXPECT_THAT(RoundsWithReports(1), ElementsAre(0, 3));
}

TEST_F(RetentionTest, WhatAFailureOfTheStorePreventedIsDoneTheNextTime) {
  CreateJob(1);
  const auto retention = Start(1, absl::Hours(10));
  for (int64_t round = 0; round < 3; ++round) PlanRound(1, round);
  store_.is_away = true;
  retention->Look();
  EXPECT_EQ(num_errors_, 1);
  EXPECT_THAT(RoundsWithReports(1), ElementsAre(0, 1, 2));
  store_.is_away = false;
  retention->Look();
  EXPECT_THAT(RoundsWithReports(1), ElementsAre(2));
  now_ = At(11);
  store_.is_away = true;
  retention->Look();
  EXPECT_EQ(num_errors_, 2);
  EXPECT_TRUE(HasJob(1));
  store_.is_away = false;
  retention->Look();
  EXPECT_FALSE(HasJob(1));
}

TEST_F(RetentionTest, JobsThatNobodyUsesAreDeletedHoweverMany) {
  constexpr int64_t kNumIdle = 250;
  for (int64_t id = 1; id <= kNumIdle; ++id) CreateJob(id, At(0));
  CreateJob(1000, At(5));
  CreateJob(1001, At(0));
  PlanRound(1001, 0, At(5));
  const auto retention = Start(std::nullopt, absl::Hours(10));
  now_ = At(10);
  retention->Look();
  EXPECT_THAT(deleted_, ElementsAre()) << "exactly as long is not longer";
  now_ = At(12);
  retention->Look();
  EXPECT_THAT(deleted_, ElementsAre(kNumIdle));
  EXPECT_FALSE(HasJob(1));
  EXPECT_FALSE(HasJob(kNumIdle));
  EXPECT_TRUE(HasJob(1000));
  EXPECT_TRUE(HasJob(1001));
}

TEST_F(RetentionTest, AJobThatIsUsedAtTheLastMomentStays) {
  CreateJob(1, At(0));
  const auto retention = Start(std::nullopt, absl::Hours(10));
  now_ = At(11);
  store_.after_list = [this] { PlanRound(1, 0, At(11)); };
  retention->Look();
  EXPECT_TRUE(HasJob(1));
  EXPECT_THAT(deleted_, ElementsAre());
  EXPECT_EQ(num_errors_, 0);
}

TEST_F(RetentionTest, WithoutAPolicyEverythingStays) {
  CreateJob(1);
  const auto retention = Start(std::nullopt, std::nullopt);
  for (int64_t round = 0; round < 5; ++round) PlanRound(1, round);
  now_ = At(1'000'000);
  retention->Look();
  EXPECT_THAT(RoundsWithReports(1), ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(RetentionTest, LooksByItselfInIntervals) {
  CreateJob(1);
  absl::Notification is_deleted;
  const Retention retention(&store_, {.max_idle_time = absl::Hours(1),
                                      .interval = absl::Milliseconds(1),
                                      .on_deleted_jobs = [&](int64_t) { is_deleted.Notify(); }});
  is_deleted.WaitForNotification();
  EXPECT_FALSE(HasJob(1));
}

}  // namespace
}  // namespace greenplan
