#include "trainer_client/parallel/shared_connection.h"

#include <memory>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/client/connection.h"
#include "planner/convert/digest.h"
#include "planner/job/test_jobs.h"
#include "trainer_client/parallel/test_ranks.h"

namespace greenplan::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A daemon's answers, as a rank sees them.
class ScriptedConnection : public Connection {
 public:
  explicit ScriptedConnection(absl::StatusOr<v1::Plan> answer) : answer_(std::move(answer)) {}

  absl::StatusOr<v1::Job> CreateJob(const v1::Job& job) override {
    job_ = job;
    v1::Job created = job;
    created.set_profile_digest("digest");
    return created;
  }
  absl::StatusOr<v1::Plan> PlanRound(const std::string&, const v1::ImportanceReport& report) override {
    report_ = report;
    return answer_;
  }
  absl::StatusOr<v1::Plan> GetPlan(const std::string&) override { return answer_; }
  absl::Status ReportOutcome(const std::string&, const v1::Outcome&) override { return absl::OkStatus(); }

  v1::Job job_;
  v1::ImportanceReport report_;

 private:
  const absl::StatusOr<v1::Plan> answer_;
};

v1::Plan PlanWithDigest(const std::string& digest) {
  v1::Plan plan;
  plan.set_digest(digest);
  return plan;
}

TEST(SharedConnectionTest, WithoutADaemonThePlanIsThatOfTheMeanReport) {
  // Half of the job's budget is best spent on tensors 1 and 2, but the mean of these reports says tensor 3.
  v1::ImportanceReport skewed = TestReport(0);
  skewed.set_importance(3, 1000);
  skewed.set_sample_count(1);
  const std::unique_ptr<Connection> alone = *Connect({});
  ASSERT_TRUE(alone->CreateJob(TestJob("jobs/a")).ok());
  v1::ImportanceReport mean = TestReport(0);
  for (int k = 0; k < mean.importance_size(); ++k) {
    mean.set_importance(k, (TestReport(0).importance(k) + skewed.importance(k)) / 2);
  }
  const v1::Plan expected = *alone->PlanRound("jobs/a", mean);
  ASSERT_NE(expected.trainable(), kTestPlanTrainable);

  OnRanks(2, [&](RankGroup& ranks) {
    const auto shared = ShareConnection(*Connect({}), SharedPlanner::kLocal, ranks);
    ASSERT_TRUE(shared->CreateJob(TestJob("jobs/a")).ok());
    v1::ImportanceReport report = ranks.rank() == 0 ? TestReport(0) : skewed;
    report.set_sample_count(1);
    const absl::StatusOr<v1::Plan> plan = shared->PlanRound("jobs/a", report);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(plan->trainable(), expected.trainable());
    EXPECT_EQ(plan->value(), expected.value());
  });
}

TEST(SharedConnectionTest, WithoutADaemonRanksCountBySamplesAndNoRanksErrorIsTheMeans) {
  v1::Job job = TestJob("jobs/a");
  job.mutable_profile()->add_blocks()->set_name("b");
  job.mutable_profile()->mutable_ops(1)->set_block(0);
  OnRanks(2, [&](RankGroup& ranks) {
    const auto planner = std::make_shared<ScriptedConnection>(PlanWithDigest("a"));
    const auto shared = ShareConnection(planner, SharedPlanner::kLocal, ranks);
    ASSERT_TRUE(shared->CreateJob(job).ok());
    v1::ImportanceReport report = TestReport(0);
    report.set_profile_digest(ProfileDigest(job.profile()));
    report.set_importance(3, ranks.rank() == 0 ? 8 : 4);
    report.set_sample_count(ranks.rank() == 0 ? 1 : 3);
    for (int k = 0; k < report.importance_size(); ++k) report.add_standard_error(1);
    report.add_sensitivity(ranks.rank() == 0 ? 2 : 6);
    ASSERT_TRUE(shared->PlanRound("jobs/a", report).ok());
    if (ranks.rank() != 0) return;
    EXPECT_EQ(planner->report_.importance(3), (8 + 3 * 4) / 4.0);
    EXPECT_THAT(planner->report_.sensitivity(), ElementsAre((2 + 3 * 6) / 4.0));
    EXPECT_EQ(planner->report_.sample_count(), 4);
    EXPECT_EQ(planner->report_.standard_error_size(), 0);
  });
}

TEST(SharedConnectionTest, RanksReportToADaemonAsThemselves) {
  OnRanks(2, [](RankGroup& ranks) {
    auto daemon = std::make_shared<ScriptedConnection>(PlanWithDigest("x"));
    const auto shared = ShareConnection(daemon, SharedPlanner::kDaemon, ranks);
    ASSERT_TRUE(shared->CreateJob(TestJob("jobs/a")).ok());
    EXPECT_EQ(daemon->job_.world_size(), 2);
    EXPECT_EQ(shared->PlanRound("jobs/a", TestReport(0))->digest(), "x");
    EXPECT_EQ(daemon->report_.rank(), ranks.rank());
  });
}

TEST(SharedConnectionTest, APlanThatOneRankGotIsTakenByAll) {
  OnRanks(3, [](RankGroup& ranks) {
    auto daemon = std::make_shared<ScriptedConnection>(ranks.rank() == 1 ? absl::StatusOr<v1::Plan>(PlanWithDigest("x"))
                                                                         : absl::UnavailableError("away"));
    const auto shared = ShareConnection(daemon, SharedPlanner::kDaemon, ranks);
    EXPECT_EQ(shared->PlanRound("jobs/a", TestReport(0))->digest(), "x");
  });
}

TEST(SharedConnectionTest, HandsARestoredPlanToThePlannerOfEachRank) {
  OnRanks(2, [](RankGroup& ranks) {
    const std::shared_ptr<Connection> planner = *Connect({});
    const auto shared = ShareConnection(planner, SharedPlanner::kLocal, ranks);
    ASSERT_TRUE(shared->CreateJob(TestJob("jobs/a")).ok());
    const std::unique_ptr<Connection> alone = *Connect({});
    ASSERT_TRUE(alone->CreateJob(TestJob("jobs/a")).ok());
    const v1::Plan plan = *alone->PlanRound("jobs/a", TestReport(4));
    EXPECT_EQ(shared->RestorePlan("jobs/a", plan), absl::OkStatus());
    EXPECT_TRUE(planner->GetPlan("jobs/a/plans/4").ok());
  });
}

TEST(SharedConnectionTest, AnErrorOfAllIsTheSameOnEach) {
  OnRanks(2, [](RankGroup& ranks) {
    auto daemon = std::make_shared<ScriptedConnection>(absl::AlreadyExistsError("taken"));
    const auto shared = ShareConnection(daemon, SharedPlanner::kDaemon, ranks);
    EXPECT_EQ(shared->PlanRound("jobs/a", TestReport(0)).status(), absl::AlreadyExistsError("taken"));
  });
}

// Rank 0 has reported to the daemon before; rank 1 had not reached it and does not now.
TEST(SharedConnectionTest, ARoundThatStillWaitsForARankIsNotOver) {
  OnRanks(2, [](RankGroup& ranks) {
    auto daemon = std::make_shared<ScriptedConnection>(ranks.rank() == 0 ? absl::AlreadyExistsError("another report")
                                                                         : absl::UnavailableError("away"));
    const auto shared = ShareConnection(daemon, SharedPlanner::kDaemon, ranks);
    EXPECT_EQ(shared->PlanRound("jobs/a", TestReport(0)).status(), absl::UnavailableError("away"));
  });
}

TEST(SharedConnectionTest, SaysWhichRankCouldNotCreateTheJobAndWhy) {
  OnRanks(2, [](RankGroup& ranks) {
    v1::Job job = TestJob("jobs/a");
    if (ranks.rank() == 1) job.mutable_options()->set_mu(-1);
    const auto shared = ShareConnection(*Connect({}), SharedPlanner::kLocal, ranks);
    const absl::Status status = shared->CreateJob(job).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    if (ranks.rank() == 0) EXPECT_THAT(status.message(), HasSubstr("rank 1 could not create the job: "));
    EXPECT_THAT(status.message(), HasSubstr("mu is -1"));
  });
}

TEST(SharedConnectionTest, DifferentPlansAreAnErrorThatNamesTheRanks) {
  OnRanks(2, [](RankGroup& ranks) {
    auto daemon = std::make_shared<ScriptedConnection>(PlanWithDigest(ranks.rank() == 0 ? "x" : "y"));
    const auto shared = ShareConnection(daemon, SharedPlanner::kDaemon, ranks);
    const absl::Status status = shared->PlanRound("jobs/a", TestReport(0)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_THAT(std::string(status.message()), HasSubstr("ranks 0 and 1 got different plans"));
  });
}

TEST(SharedConnectionTest, AnotherProfileOnOneRankIsAnError) {
  OnRanks(2, [](RankGroup& ranks) {
    const auto shared = ShareConnection(*Connect({}), SharedPlanner::kLocal, ranks);
    v1::Job job = TestJob("jobs/a");
    job.mutable_profile()->set_forward_cost(job.profile().forward_cost() + ranks.rank());
    const absl::Status status = shared->CreateJob(job).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr("profiled another step than rank"));
  });
}

}  // namespace
}  // namespace greenplan::trainer
