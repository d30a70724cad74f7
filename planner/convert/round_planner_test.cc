#include "planner/convert/round_planner.h"

#include <string>

#include "gtest/gtest.h"
#include "planner/convert/convert.h"
#include "planner/convert/digest.h"
#include "planner/convert/test_messages.h"

namespace greenplan {
namespace {

class RoundPlannerTest : public testing::Test {
 protected:
  absl::StatusOr<v1::Plan> MakePlan(const std::string& options_text) {
    options_ = ParseText<v1::PlanOptions>(options_text);
    return planner_->MakePlan({.options = &options_, .report = &report_});
  }

  const std::unique_ptr<RoundPlanner> planner_ = *RoundPlanner::Create(SmallProfile(), 5);
  v1::PlanOptions options_;
  v1::ImportanceReport report_ = SmallReport();
};

TEST_F(RoundPlannerTest, PlanCarriesEverythingThatTheContractLists) {
  const auto plan = MakePlan("budget { absolute: 130 } seed: 9");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->method(), v1::METHOD_SELECTION);
  EXPECT_EQ(plan->status(), v1::PLAN_STATUS_OPTIMAL);
  EXPECT_EQ(plan->trainable(), std::string("\x06", 1));  // b and a: 10 + 10 + 10.
  EXPECT_EQ(plan->predicted_cost(), 130);
  EXPECT_EQ(plan->predicted_backward_cost(), 30);
  EXPECT_EQ(plan->budget(), 130);
  EXPECT_EQ(plan->full_cost(), 160);
  EXPECT_EQ(plan->value(), 3);
  EXPECT_EQ(plan->upper_bound(), 3);
  EXPECT_EQ(plan->seed(), 9);
  EXPECT_EQ(plan->profile_revision(), 5);
  EXPECT_EQ(plan->profile_digest(), ProfileDigest(SmallProfile()));
  EXPECT_EQ(plan->digest(), PlanDigest(*plan));
}

TEST_F(RoundPlannerTest, TheSameRequestGivesTheSameBytes) {
  const auto first = MakePlan("budget { fraction_of_full: 0.9 }");
  const auto second = MakePlan("budget { fraction_of_full: 0.9 }");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->SerializeAsString(), second->SerializeAsString());
}

TEST_F(RoundPlannerTest, FullNeedsNoReport) {
  const auto options = ParseText<v1::PlanOptions>("method: METHOD_FULL");
  const auto plan = planner_->MakePlan({.options = &options});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->trainable(), std::string("\x07", 1));
  const auto selection = ParseText<v1::PlanOptions>("budget { fraction_of_full: 0.9 }");
  EXPECT_EQ(planner_->MakePlan({.options = &selection}).status().message(),
            "importance is missing; every method but full requires a report");
}

TEST_F(RoundPlannerTest, AWrongDigestIsAFailedPrecondition) {
  report_.set_profile_digest("other");
  const auto plan = MakePlan("budget { fraction_of_full: 0.9 }");
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(plan.status().message(),
            "profile_digest is \"other\"; the profile's digest is " + planner_->profile_digest());
}

TEST_F(RoundPlannerTest, AnEmptyDigestPassesUnlessItIsRequired) {
  EXPECT_TRUE(MakePlan("budget { fraction_of_full: 0.9 }").ok());
  const auto plan = planner_->MakePlan({.options = &options_, .report = &report_, .require_profile_digest = true});
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RoundPlannerTest, CancellingEndsTheSearch) {
  options_ = ParseText<v1::PlanOptions>("budget { fraction_of_full: 0.9 } time_limit { seconds: 3600 }");
  int calls = 0;
  const auto plan = planner_->MakePlan({.options = &options_, .report = &report_, .cancelled = [&calls] {
                                          ++calls;
                                          return true;
                                        }});
  ASSERT_TRUE(plan.ok()) << plan.status();
  // A search this small may end before it asks; if it asked, its plan is still within the budget.
  EXPECT_LE(plan->predicted_cost(), plan->budget());
}

TEST_F(RoundPlannerTest, RefusesAPreviousPlanOfAnotherProfile) {
  options_ = ParseText<v1::PlanOptions>("budget { fraction_of_full: 0.9 }");
  auto previous = ParseText<v1::Plan>("trainable: \"\\x01\" profile_digest: \"other\"");
  const RoundRequest request = {.options = &options_, .report = &report_, .previous_plan = &previous};
  EXPECT_EQ(planner_->MakePlan(request).status().code(), absl::StatusCode::kFailedPrecondition);
  previous = ParseText<v1::Plan>("trainable: \"\"");
  EXPECT_EQ(planner_->MakePlan(request).status().message(), "previous_plan.trainable has 0 bytes; 4 tensors take 1");
}

TEST_F(RoundPlannerTest, CurveEqualsThePlansOfItsBudgets) {
  options_ = ParseText<v1::PlanOptions>("method: METHOD_SELECTION");
  std::vector<v1::Budget> budgets;
  for (int cost = 100; cost <= 170; cost += 10) budgets.emplace_back().set_absolute(cost);
  const auto curve = planner_->MakeCurve({.options = &options_, .report = &report_}, budgets);
  ASSERT_TRUE(curve.ok()) << curve.status();
  ASSERT_EQ(curve->size(), budgets.size());
  for (size_t i = 0; i < budgets.size(); ++i) {
    v1::PlanOptions options = options_;
    *options.mutable_budget() = budgets[i];
    const auto plan = planner_->MakePlan({.options = &options, .report = &report_});
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ((*curve)[i].DebugString(), plan->DebugString());
  }
}

TEST_F(RoundPlannerTest, CurveNamesTheBadBudget) {
  options_ = ParseText<v1::PlanOptions>("method: METHOD_SELECTION");
  std::vector<v1::Budget> budgets(2);
  budgets[0].set_absolute(150);
  budgets[1].set_absolute(0);
  const RoundRequest request = {.options = &options_, .report = &report_};
  EXPECT_EQ(planner_->MakeCurve(request, budgets).status().message(),
            "budgets[1]: budget.absolute is 0; allowed: an integer > 0");
  EXPECT_EQ(planner_->MakeCurve(request, {}).status().message(), "budgets is empty; at least one is required");
}

TEST(RoundPlannerCreateTest, RefusesAMalformedProfile) {
  v1::ModelProfile profile = SmallProfile();
  profile.mutable_tensors(1)->set_weight_grad_cost(-3);
  const auto planner = RoundPlanner::Create(profile);
  EXPECT_EQ(planner.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(planner.status().message(), "tensors[1].weight_grad_cost is -3; costs must be >= 0");
}

}  // namespace
}  // namespace greenplan
