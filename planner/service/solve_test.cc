#include "planner/service/solve.h"

#include <cmath>
#include <string>

#include "gtest/gtest.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/prepared_job.h"
#include "planner/job/test_jobs.h"

namespace greenplan {
namespace {

v1::SolveRequest TestRequest() {
  v1::SolveRequest request;
  *request.mutable_profile() = TestProfile();
  *request.mutable_importance() = TestReport(0);
  *request.mutable_options() = TestJob("jobs/a").options();
  return request;
}

TEST(SolveTest, PlansFromTheRequestAlone) {
  v1::SolveRequest request = TestRequest();
  request.mutable_importance()->clear_profile_digest();
  const auto plan = Solve(request, {});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->trainable(), kTestPlanTrainable);
  EXPECT_EQ(plan->name(), "");
  EXPECT_EQ(Solve(request, {.cancelled = [] { return true; }}).status().code(), absl::StatusCode::kCancelled);
}

TEST(SolveTest, KeepsThePreviousPlanWithinTheChurnThreshold) {
  v1::SolveRequest request = TestRequest();
  const auto previous = Solve(request, {});
  ASSERT_TRUE(previous.ok()) << previous.status();
  *request.mutable_previous_plan() = *previous;
  request.mutable_importance()->set_importance(3, 6);  // Alone worth 6, more than the 5 of the plan in force.
  EXPECT_NE(Solve(request, {})->trainable(), previous->trainable());
  request.mutable_options()->set_churn_threshold(10);
  EXPECT_EQ(Solve(request, {})->trainable(), previous->trainable());
}

TEST(SolveTest, NamesThePartOfTheRequestThatIsWrong) {
  v1::SolveRequest request = TestRequest();
  request.clear_importance();
  EXPECT_EQ(FieldOf(Solve(request, {}).status()), "importance");
  request = TestRequest();
  request.mutable_previous_plan()->set_trainable("");
  EXPECT_EQ(FieldOf(Solve(request, {}).status()), "previous_plan.trainable");
  request = TestRequest();
  for (const v1::Tensor& tensor : request.profile().tensors()) request.mutable_options()->add_always(tensor.name());
  EXPECT_EQ(FieldOf(Solve(request, {}).status()), "options.always");
  request = TestRequest();
  request.clear_profile();
  EXPECT_EQ(FieldOf(Solve(request, {}).status()), "profile");
  request = TestRequest();
  request.mutable_profile()->mutable_ops(1)->set_cost(-1);
  EXPECT_EQ(FieldOf(Solve(request, {}).status()), "profile.ops[1].cost");
  request = TestRequest();
  request.mutable_options()->set_min_drop_rate(2);
  EXPECT_EQ(FieldOf(Solve(request, {}).status()), "options.min_drop_rate");
  request = TestRequest();
  request.mutable_importance()->set_importance(1, NAN);
  EXPECT_EQ(FieldOf(Solve(request, {}).status()), "importance.importance[1]");
  request = TestRequest();
  request.mutable_importance()->set_importance(0, 1e308);
  request.mutable_profile()->add_blocks()->set_name("block");
  request.mutable_importance()->clear_profile_digest();
  request.mutable_importance()->add_sensitivity(1e308);
  request.mutable_options()->set_mu(1e10);
  EXPECT_EQ(FieldOf(Solve(request, {}).status()), "options.mu");
  request = TestRequest();
  request.mutable_importance()->set_profile_digest(std::string(64, '0'));
  EXPECT_EQ(Solve(request, {}).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(SolveTest, AnswersTheBestPlanFoundBeforeTheDeadline) {
  const v1::Job job = LongTestJob("jobs/a");
  v1::SolveRequest request;
  *request.mutable_profile() = job.profile();
  *request.mutable_importance() = LongTestReport(0);
  *request.mutable_options() = job.options();
  const auto plan = Solve(request, TestLimitsInAHurry());
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->status(), v1::PLAN_STATUS_FEASIBLE);
  EXPECT_LE(plan->predicted_cost(), plan->budget());
}

}  // namespace
}  // namespace greenplan
