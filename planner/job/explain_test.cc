#include "planner/job/explain.h"

#include "gtest/gtest.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/planning.h"
#include "planner/job/test_jobs.h"

namespace greenplan {
namespace {

class ExplainTest : public testing::Test {
 protected:
  const std::shared_ptr<const PreparedProfile> profile_ = *PreparedProfile::Create(TestProfile());
  PlanOptions options_ = *profile_->ReadOptions(TestJob("jobs/a").options());
  const Measurements measurements_ = *profile_->ReadReport(TestReport(0), options_);
  const Plan plan_ = *MakePlan(profile_->planner(), {.measurements = &measurements_, .options = &options_});
};

TEST_F(ExplainTest, TellsWhatATensorCostsAndWhenItEnters) {
  const auto rows = ExplainPlan(*profile_, plan_, measurements_, options_, {});
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 4);
  const auto& layer1 = (*rows)[1];
  EXPECT_EQ(layer1["tensor"], "layer1");
  EXPECT_EQ(layer1["trainable"], true);
  EXPECT_EQ(layer1["importance"], 4);
  EXPECT_EQ(layer1["marginal_cost"], 3);  // 2, and the op that it alone keeps live.
  EXPECT_GE(layer1["entry_budget"], 7 + 3);
  EXPECT_EQ((*rows)[3]["trainable"], false);
}

TEST_F(ExplainTest, ATensorThatNoBudgetTrainsHasNoEntry) {
  options_.never = {0};
  const auto rows = ExplainPlan(*profile_, plan_, measurements_, options_, {});
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_TRUE((*rows)[0]["entry_budget"].is_null());
}

TEST_F(ExplainTest, TheDefaultBudgetsStartWhereThePinnedTensorsFit) {
  EXPECT_EQ(FullCost(profile_->profile()), 21);
  EXPECT_EQ(DefaultCurveBudgets(profile_->profile(), options_).size(), 50 - 16);  // From 0.34: 7 of 21.
  options_.always = {0, 1, 2, 3};
  EXPECT_EQ(DefaultCurveBudgets(profile_->profile(), options_).size(), 1);
  EXPECT_TRUE(ExplainPlan(*profile_, plan_, measurements_, options_, {}).ok());
}

TEST_F(ExplainTest, ABudgetBelowThePinsIsRefused) {
  options_.always = {0, 1, 2, 3};
  const auto rows = ExplainPlan(*profile_, plan_, measurements_, options_,
                                {{.kind = Budget::Kind::kFractionOfFull, .fraction = 0.5}});
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(rows.status()), "always");
}

}  // namespace
}  // namespace greenplan
