#include "planner/job/planning.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

// A chain long and irregular enough that its search asks the stop function many times.
std::shared_ptr<const ModelProfile> LongChain() {
  constexpr int kLength = 3000;
  auto profile = std::make_shared<ModelProfile>();
  for (int i = 0; i < kLength; ++i) {
    Op& op = profile->ops.emplace_back();
    op.cost = 1000 + i * 7919 % 1013;
    if (i + 1 < kLength) op.inputs.push_back({.op = i + 1, .cost = 0});
    profile->tensors.push_back(
        {.name = std::to_string(i), .op = kLength - 1 - i, .weight_grad_cost = 1000 + i * 104729 % 1009});
  }
  return profile;
}

// Moves on by a millisecond whenever it is asked, so that a search's stop depends on nothing but its questions.
struct TickingClock {
  absl::Duration now = absl::ZeroDuration();
  MonotonicClock Function() {
    return [this] { return now += absl::Milliseconds(1); };
  }
};

class PlanningTest : public ::testing::Test {
 protected:
  PlanningTest() {
    options_.budget = {.kind = Budget::Kind::kFractionOfBackward, .fraction = 0.5};
    // Near-equal importance per cost: the proof takes long.
    for (const Tensor& tensor : planner_.profile().tensors) {
      measurements_.importance.push_back(static_cast<double>(tensor.weight_grad_cost) + 1e-3);
    }
  }

  absl::StatusOr<Plan> Run(const CallLimits& limits, AtDeadline at_deadline) {
    return MakePlan(planner_, {.measurements = &measurements_, .options = &options_}, limits, at_deadline);
  }

  const Planner planner_{LongChain()};
  PlanOptions options_;
  Measurements measurements_;
  TickingClock clock_;
};

TEST_F(PlanningTest, ATimeLimitAnswersTheBestPlanFound) {
  options_.time_limit = absl::Milliseconds(2);
  for (const AtDeadline at_deadline : {AtDeadline::kAnswerBest, AtDeadline::kFail}) {
    const auto plan = Run({.clock = clock_.Function()}, at_deadline);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(plan->status, PlanStatus::kFeasible);
    EXPECT_LE(plan->predicted_cost, plan->budget);
    EXPECT_GE(plan->upper_bound, plan->value);
  }
}

TEST_F(PlanningTest, ADeadlineAnswersTheBestPlanBeforeItPasses) {
  const auto plan = Run({.deadline = absl::Milliseconds(20), .clock = clock_.Function()}, AtDeadline::kAnswerBest);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->status, PlanStatus::kFeasible);
  EXPECT_LT(clock_.now, absl::Milliseconds(20));
}

TEST_F(PlanningTest, APlanThatADeadlineCutShortIsNotAnsweredWhereItWouldBeKept) {
  const auto plan = Run({.deadline = absl::Milliseconds(20), .clock = clock_.Function()}, AtDeadline::kFail);
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kDeadlineExceeded) << plan.status();
}

TEST_F(PlanningTest, ATimeLimitBeforeTheDeadlineIsNoMatterOfTheDeadline) {
  options_.time_limit = absl::Milliseconds(2);
  const auto plan = Run({.deadline = absl::Milliseconds(500), .clock = clock_.Function()}, AtDeadline::kFail);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->status, PlanStatus::kFeasible);
}

TEST_F(PlanningTest, ADeadlineThatHasPassedIsExceededHoweverSmallTheSearch) {
  options_.method = Method::kFull;
  options_.budget = {};
  for (const AtDeadline at_deadline : {AtDeadline::kAnswerBest, AtDeadline::kFail}) {
    const auto plan = Run({.deadline = absl::ZeroDuration(), .clock = clock_.Function()}, at_deadline);
    EXPECT_EQ(plan.status().code(), absl::StatusCode::kDeadlineExceeded) << plan.status();
  }
}

TEST_F(PlanningTest, ACallerThatHasGoneGetsNoPlan) {
  for (const int questions : {0, 3}) {
    int asked = 0;
    const auto plan = Run({.cancelled = [&] { return asked++ >= questions; }}, AtDeadline::kAnswerBest);
    EXPECT_EQ(plan.status().code(), absl::StatusCode::kCancelled) << plan.status();
    EXPECT_EQ(asked, questions + 1);
  }
}

TEST_F(PlanningTest, WithoutLimitsThePlanIsThatOfThePlanner) {
  options_.budget.fraction = 1;
  const PlanRequest request = {.measurements = &measurements_, .options = &options_};
  const auto plan = MakePlan(planner_, request);
  const auto expected = planner_.MakePlan(request);
  ASSERT_TRUE(plan.ok() && expected.ok()) << plan.status() << expected.status();
  EXPECT_EQ(plan->trainable, expected->trainable);
  EXPECT_EQ(plan->status, PlanStatus::kOptimal);
}

TEST_F(PlanningTest, OnlyFullNeedsNoMeasurements) {
  const absl::Status missing = MakePlan(planner_, {.options = &options_}).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(missing.message(), "importance is missing; every method but full requires a report");
  EXPECT_EQ(FieldOf(missing), "importance");
  options_ = {.method = Method::kFull};
  EXPECT_TRUE(MakePlan(planner_, {.options = &options_}).ok());
}

TEST_F(PlanningTest, ACurveIsAPlanPerBudgetWithinTheSameLimits) {
  const PlanRequest request = {.measurements = &measurements_, .options = &options_};
  const std::vector<Budget> budgets = {{.kind = Budget::Kind::kFractionOfFull, .fraction = 0.5},
                                       {.kind = Budget::Kind::kFractionOfFull, .fraction = 1}};
  options_.time_limit = absl::Milliseconds(2);
  const auto curve = MakeCurve(planner_, request, budgets, {.clock = clock_.Function()});
  ASSERT_TRUE(curve.ok()) << curve.status();
  ASSERT_EQ(curve->size(), 2u);
  EXPECT_EQ((*curve)[0].status, PlanStatus::kFeasible);
  EXPECT_EQ(MakeCurve(planner_, request, {}).status().message(), "budgets is empty; at least one is required");
  const auto gone = MakeCurve(planner_, request, budgets, {.cancelled = [] { return true; }});
  EXPECT_EQ(gone.status().code(), absl::StatusCode::kCancelled) << gone.status();
}

}  // namespace
}  // namespace greenplan
