#include "trainer_client/session/testing/fake_planner.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/convert/convert.h"

namespace greenplan::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A head above one block of one tensor.
v1::Job SomeJob() {
  ModelProfile profile;
  profile.forward_cost = 100;
  profile.ops = {{.name = "loss", .inputs = {{.op = 1, .cost = 3}}}, {.name = "block", .cost = 5, .block = 0}};
  profile.tensors = {{.name = "head", .op = 0, .weight_grad_cost = 7},
                     {.name = "block", .op = 1, .weight_grad_cost = 11}};
  profile.blocks = {"layers.0"};
  v1::Job job;
  job.set_name("jobs/test");
  *job.mutable_profile() = ModelProfileToProto(profile);
  return job;
}

v1::ImportanceReport Report(int64_t round) {
  v1::ImportanceReport report;
  report.set_round(round);
  return report;
}

TEST(FakePlannerTest, AnswersWhatItIsToldWithItsExactCost) {
  FakePlanner planner;
  const auto job = planner.CreateJob(SomeJob());
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_FALSE(job->profile_digest().empty());

  const auto full = planner.PlanRound("jobs/test", Report(0));
  ASSERT_TRUE(full.ok()) << full.status();
  EXPECT_EQ(full->trainable(), PackMask({true, true}));
  EXPECT_EQ(full->predicted_backward_cost(), 26);

  planner.trainable = {"head"};
  const auto head = planner.PlanRound("jobs/test", Report(1));
  EXPECT_EQ(head->trainable(), PackMask({true, false}));
  EXPECT_EQ(head->predicted_backward_cost(), 7);
  EXPECT_EQ(head->full_cost(), 126);

  planner.trainable.reset();
  planner.drop_rates = {{"layers.0", 0.5}};
  const auto dropping = planner.PlanRound("jobs/test", Report(2));
  EXPECT_THAT(dropping->drop_rates(), ElementsAre(0.5));
  EXPECT_EQ(dropping->predicted_backward_cost(), 10 + 8);
  EXPECT_EQ(planner.reports.size(), 3u);
  EXPECT_EQ(planner.GetPlan("jobs/test/plans/1")->digest(), head->digest());
}

TEST(FakePlannerTest, KeepsTheOutcomesOfTheRoundsThatItPlanned) {
  FakePlanner planner;
  ASSERT_TRUE(planner.CreateJob(SomeJob()).ok());
  v1::Outcome outcome;
  outcome.set_train_loss(2.5);
  EXPECT_EQ(planner.ReportOutcome("jobs/test", outcome).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(planner.PlanRound("jobs/test", Report(0)).ok());
  EXPECT_TRUE(planner.ReportOutcome("jobs/test", outcome).ok());
  ASSERT_EQ(planner.outcomes.size(), 1u);
  EXPECT_EQ(planner.outcomes[0].train_loss(), 2.5);
}

TEST(FakePlannerTest, IsAwayWhenToldAndRefusesWhatTheProfileDoesNotHave) {
  FakePlanner planner;
  EXPECT_EQ(planner.PlanRound("jobs/test", Report(0)).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(planner.CreateJob(SomeJob()).ok());
  planner.trainable = {"tail"};
  const absl::Status unknown = planner.PlanRound("jobs/test", Report(0)).status();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("tail"));
  planner.is_away = true;
  EXPECT_EQ(planner.PlanRound("jobs/test", Report(0)).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(planner.GetPlan("jobs/test/plans/0").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(planner.ReportOutcome("jobs/test", {}).code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(planner.reports.empty());
}

}  // namespace
}  // namespace greenplan::trainer
