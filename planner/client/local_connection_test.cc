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
