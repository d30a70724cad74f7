#include "planner/client/connection_conformance.h"

#include <string>

#include "gmock/gmock.h"
#include "planner/job/test_jobs.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

TEST_P(ConnectionConformanceTest, AnswersTheJobWithItsDigestAndRevision) {
  const auto job = connection_->CreateJob(TestJob("jobs/a"));
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->profile_digest(), TestReport(0).profile_digest());
  EXPECT_EQ(job->profile_revision(), 1);
  EXPECT_TRUE(job->has_create_time());
}

TEST_P(ConnectionConformanceTest, TheSameJobAgainIsTheSameJobAndOtherContentIsRefused) {
  const auto first = connection_->CreateJob(TestJob("jobs/a"));
  const auto again = connection_->CreateJob(TestJob("jobs/a"));
  ASSERT_TRUE(first.ok() && again.ok()) << first.status() << again.status();
  EXPECT_EQ(first->SerializeAsString(), again->SerializeAsString());

  v1::Job other = TestJob("jobs/a");
  other.mutable_options()->set_seed(1);
  const auto taken = connection_->CreateJob(other);
  EXPECT_EQ(taken.status().code(), absl::StatusCode::kAlreadyExists) << taken.status();
  EXPECT_THAT(taken.status().message(), HasSubstr("jobs/a exists with another profile"));
}

TEST_P(ConnectionConformanceTest, PlansARoundAndAnswersTheSamePlanAgain) {
  ASSERT_TRUE(connection_->CreateJob(TestJob("jobs/a")).ok());
  const auto plan = connection_->PlanRound("jobs/a", TestReport(0));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->name(), "jobs/a/plans/0");
  EXPECT_EQ(plan->trainable(), kTestPlanTrainable);
  EXPECT_EQ(plan->value(), 5);

  const auto again = connection_->PlanRound("jobs/a", TestReport(0));
  const auto kept = connection_->GetPlan("jobs/a/plans/0");
  ASSERT_TRUE(again.ok() && kept.ok()) << again.status() << kept.status();
  EXPECT_EQ(again->SerializeAsString(), plan->SerializeAsString());
  EXPECT_EQ(kept->SerializeAsString(), plan->SerializeAsString());
}

TEST_P(ConnectionConformanceTest, AnotherReportForTheSameRoundIsRefused) {
  ASSERT_TRUE(connection_->CreateJob(TestJob("jobs/a")).ok());
  ASSERT_TRUE(connection_->PlanRound("jobs/a", TestReport(0)).ok());
  v1::ImportanceReport other = TestReport(0);
  other.set_importance(3, 4.5);
  const auto plan = connection_->PlanRound("jobs/a", other);
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kAlreadyExists) << plan.status();
  EXPECT_THAT(plan.status().message(), HasSubstr("rank 0 of jobs/a has sent another report for round 0"));
}

TEST_P(ConnectionConformanceTest, AReportOfAnotherProfileIsRefused) {
  ASSERT_TRUE(connection_->CreateJob(TestJob("jobs/a")).ok());
  v1::ImportanceReport report = TestReport(0);
  report.set_profile_digest(std::string(64, '0'));
  const auto plan = connection_->PlanRound("jobs/a", report);
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kFailedPrecondition) << plan.status();
  EXPECT_THAT(plan.status().message(), HasSubstr("report.profile_digest"));
}

TEST_P(ConnectionConformanceTest, WhatDoesNotExistIsNotFoundByName) {
  const auto plan = connection_->PlanRound("jobs/a", TestReport(0));
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kNotFound) << plan.status();
  EXPECT_EQ(plan.status().message(), "jobs/a does not exist");
  EXPECT_EQ(connection_->GetPlan("jobs/a/plans/0").status().code(), absl::StatusCode::kNotFound);

  ASSERT_TRUE(connection_->CreateJob(TestJob("jobs/a")).ok());
  const auto kept = connection_->GetPlan("jobs/a/plans/7");
  EXPECT_EQ(kept.status().code(), absl::StatusCode::kNotFound) << kept.status();
  EXPECT_EQ(kept.status().message(), "jobs/a/plans/7 does not exist");
}

TEST_P(ConnectionConformanceTest, MalformedRequestsNameTheField) {
  v1::Job job = TestJob("jobs/a");
  job.mutable_options()->mutable_budget()->set_fraction_of_backward(2);
  const auto created = connection_->CreateJob(job);
  EXPECT_EQ(created.status().code(), absl::StatusCode::kInvalidArgument) << created.status();
  EXPECT_THAT(created.status().message(), HasSubstr("fraction_of_backward is 2"));

  EXPECT_EQ(connection_->PlanRound("", TestReport(0)).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(connection_->GetPlan("plan").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(ConnectionConformanceTest, MoreThanOneRankIsNotImplementedYet) {
  v1::Job job = TestJob("jobs/a");
  job.set_world_size(2);
  const auto created = connection_->CreateJob(job);
  EXPECT_EQ(created.status().code(), absl::StatusCode::kUnimplemented) << created.status();
  EXPECT_THAT(created.status().message(), HasSubstr("world_size is 2"));
}

}  // namespace
}  // namespace greenplan
