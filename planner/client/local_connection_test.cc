#include "planner/client/local_connection.h"

#include <functional>
#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/client/connection_conformance.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/test_jobs.h"

namespace greenplan {
namespace {

std::unique_ptr<Connection> NewPatientConnection() { return NewLocalConnection(absl::InfiniteDuration()); }

INSTANTIATE_TEST_SUITE_P(Local, ConnectionConformanceTest, ::testing::Values(std::function(NewPatientConnection)));

TEST(LocalConnectionTest, AResumedJobGoesOnAtALaterRoundWithTheSamePlan) {
  const auto before = NewPatientConnection();
  ASSERT_TRUE(before->CreateJob(TestJob("jobs/a")).ok());
  ASSERT_TRUE(before->PlanRound("jobs/a", TestReport(0)).ok());
  const auto expected = before->PlanRound("jobs/a", TestReport(1));
  ASSERT_TRUE(expected.ok()) << expected.status();

  const auto after = NewPatientConnection();
  ASSERT_TRUE(after->CreateJob(TestJob("jobs/a")).ok());
  const auto resumed = after->PlanRound("jobs/a", TestReport(1));
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_EQ(resumed->SerializeAsString(), expected->SerializeAsString());
}

// Tensor 3 alone and tensors 1 and 2 together are worth the same in round 1; round 0 prefers one of the two.
TEST(LocalConnectionTest, ARestoredPlanStaysInForceOnATieAsItWouldHaveWithoutTheRestart) {
  v1::ImportanceReport tied = TestReport(1);
  for (int k : {0, 1, 2, 3}) tied.set_importance(k, k == 0 ? 0 : k == 3 ? 4 : 2);
  for (int preferred : {1, 3}) {
    SCOPED_TRACE(preferred);
    v1::ImportanceReport first = TestReport(0);
    *first.mutable_importance() = tied.importance();
    first.set_importance(preferred, 9);
    const auto before = NewPatientConnection();
    ASSERT_TRUE(before->CreateJob(TestJob("jobs/a")).ok());
    const auto in_force = before->PlanRound("jobs/a", first), expected = before->PlanRound("jobs/a", tied);
    ASSERT_TRUE(in_force.ok() && expected.ok()) << in_force.status() << expected.status();
    EXPECT_EQ(expected->trainable(), in_force->trainable());

    const auto after = NewPatientConnection();
    ASSERT_TRUE(after->CreateJob(TestJob("jobs/a")).ok());
    ASSERT_EQ(after->RestorePlan("jobs/a", *in_force), absl::OkStatus());
    const auto resumed = after->PlanRound("jobs/a", tied);
    ASSERT_TRUE(resumed.ok()) << resumed.status();
    EXPECT_EQ(resumed->SerializeAsString(), expected->SerializeAsString());
    EXPECT_EQ(after->GetPlan(in_force->name())->SerializeAsString(), in_force->SerializeAsString());
    EXPECT_EQ(after->PlanRound("jobs/a", first).status().code(), absl::StatusCode::kAlreadyExists)
        << "nobody knows the report of a restored plan";
  }
}

TEST(LocalConnectionTest, OnlyAPlanOfTheJobCanBeRestored) {
  const auto connection = NewPatientConnection();
  EXPECT_EQ(connection->RestorePlan("jobs/a", {}).code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(connection->CreateJob(TestJob("jobs/a")).ok());
  v1::Plan plan;
  plan.set_trainable("of another length");
  const absl::Status status = connection->RestorePlan("jobs/a", plan);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(FieldOf(status), ::testing::StartsWith("plan."));
}

TEST(LocalConnectionTest, APlanThatTakesTooLongIsAnErrorAndIsNotKept) {
  const auto connection = NewLocalConnection(absl::ZeroDuration());
  ASSERT_TRUE(connection->CreateJob(TestJob("jobs/a")).ok());
  const auto plan = connection->PlanRound("jobs/a", TestReport(0));
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kDeadlineExceeded) << plan.status();
  EXPECT_THAT(plan.status().message(), ::testing::HasSubstr("deadline passed before its plan was found"));
  EXPECT_EQ(connection->GetPlan("jobs/a/plans/0").status().code(), absl::StatusCode::kNotFound);
}

TEST(LocalConnectionTest, AJobHasOneRank) {
  v1::Job job = TestJob("jobs/a");
  job.set_world_size(2);
  const absl::Status status = NewPatientConnection()->CreateJob(job).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(FieldOf(status), "job.world_size");
  EXPECT_THAT(status.message(), ::testing::HasSubstr("must be 1 with a planner in this process"));
}

}  // namespace
}  // namespace greenplan
