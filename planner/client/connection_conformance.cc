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

// Two blocks, so that blocks can be dropped; the second round's report makes another plan better.
TEST_P(ConnectionConformanceTest, EveryMethodKeepsThePlanInForceWithinTheChurnThreshold) {
  for (const v1::Method method : {v1::METHOD_SELECTION, v1::METHOD_DROP, v1::METHOD_JOINT}) {
    for (const double churn_threshold : {0.0, 10.0}) {
      v1::Job job = TestJob("jobs/" + v1::Method_Name(method) + std::to_string(churn_threshold));
      job.mutable_profile()->add_blocks()->set_name("top");
      job.mutable_profile()->add_blocks()->set_name("bottom");
      job.mutable_profile()->mutable_ops(1)->set_block(0);
      job.mutable_profile()->mutable_ops(2)->set_block(1);
      job.mutable_options()->set_method(method);
      job.mutable_options()->mutable_budget()->set_fraction_of_backward(0.75);
      job.mutable_options()->set_mu(1);
      job.mutable_options()->set_churn_threshold(churn_threshold);
      const auto created = connection_->CreateJob(job);
      ASSERT_TRUE(created.ok()) << created.status();
      v1::ImportanceReport report = TestReport(0);
      report.set_profile_digest(created->profile_digest());
      report.add_sensitivity(1);
      report.add_sensitivity(4);
      const auto first = connection_->PlanRound(job.name(), report);
      report.set_round(1);
      report.set_importance(1, 0.5);
      report.set_importance(2, 3);
      report.set_sensitivity(0, 4);
      report.set_sensitivity(1, 1);
      const auto second = connection_->PlanRound(job.name(), report);
      ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
      EXPECT_EQ(first->digest() == second->digest(), churn_threshold > 0) << job.name();
    }
  }
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

TEST_P(ConnectionConformanceTest, OneOutcomeIsTakenForEachRoundThatHasAPlan) {
  ASSERT_TRUE(connection_->CreateJob(TestJob("jobs/a")).ok());
  const absl::Status early = connection_->ReportOutcome("jobs/a", TestOutcome(0));
  EXPECT_EQ(early.code(), absl::StatusCode::kFailedPrecondition) << early;
  EXPECT_THAT(early.message(), HasSubstr("outcome.round is 0; that round of jobs/a has no plan"));

  ASSERT_TRUE(connection_->PlanRound("jobs/a", TestReport(0)).ok());
  EXPECT_EQ(connection_->ReportOutcome("jobs/a", TestOutcome(0)), absl::OkStatus());
  EXPECT_EQ(connection_->ReportOutcome("jobs/a", TestOutcome(0)), absl::OkStatus());
  v1::Outcome other = TestOutcome(0);
  other.set_energy_joules(4);
  const absl::Status taken = connection_->ReportOutcome("jobs/a", other);
  EXPECT_EQ(taken.code(), absl::StatusCode::kAlreadyExists) << taken;
  EXPECT_THAT(taken.message(), HasSubstr("rank 0 of jobs/a has reported another outcome for round 0"));

  other.set_rank(1);
  const absl::Status malformed = connection_->ReportOutcome("jobs/a", other);
  EXPECT_EQ(malformed.code(), absl::StatusCode::kInvalidArgument) << malformed;
  EXPECT_THAT(malformed.message(), HasSubstr("outcome.rank is 1"));
  EXPECT_EQ(connection_->ReportOutcome("jobs/b", TestOutcome(0)).code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace greenplan
