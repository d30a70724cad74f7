#include "planner/core/explanation.h"

#include <vector>

#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

TEST(ExplainMask, MarginalCostIsTheDifferenceThatTheTensorMakes) {
  for (const GraphShape shape : kAllShapes) {
    for (uint64_t seed = 0; seed < 100 && !testing::Test::HasFailure(); ++seed) {
      TestRandom random(seed);
      const ModelProfile profile = RandomProfile({.shape = shape, .size = 1 + random.Below(10)}, random);
      const int n = static_cast<int>(profile.tensors.size());
      std::vector<bool> mask(n);
      const double share = random.Unit() * random.Unit();
      for (int k = 0; k < n; ++k) mask[k] = random.Chance(share);
      const auto marginals = ExplainMask(profile, mask, std::vector<double>(n, 2.5));
      ASSERT_TRUE(marginals.ok()) << marginals.status();
      const MaskCost cost = EvaluateMask(profile, mask);
      for (int k = 0; k < n; ++k) {
        const TensorMarginal& marginal = (*marginals)[k];
        std::vector<bool> other = mask;
        other[k] = !mask[k];
        const int sign = mask[k] ? -1 : 1;
        const MaskCost changed = EvaluateMask(profile, other);
        EXPECT_EQ(marginal.trainable, mask[k]);
        EXPECT_EQ(changed.backward_cost, cost.backward_cost + sign * marginal.marginal_cost) << seed;
        EXPECT_EQ(changed.saved_bytes, cost.saved_bytes + sign * marginal.marginal_saved_bytes) << seed;
        EXPECT_EQ(marginal.importance, 2.5);
      }
    }
  }
}

TEST(ExplainMask, SaysSoIfTheMeterRunsOut) {
  TestRandom random(1);
  const ModelProfile profile = RandomProfile({.shape = GraphShape::kDag, .size = 2000}, random);
  const std::vector<bool> nothing(profile.tensors.size(), false);
  const std::vector<double> importance(profile.tensors.size(), 1);
  const StopFunction never, at_once = [] { return true; };
  WorkMeter little(1000, never);
  EXPECT_EQ(ExplainMask(profile, nothing, importance, little).status().code(), absl::StatusCode::kResourceExhausted);
  WorkMeter stopped(WorkMeter::kNoLimit, at_once);
  EXPECT_EQ(ExplainMask(profile, nothing, importance, stopped).status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST(EntryBudgets, IsTheLowestBudgetThatTrainsTheTensor) {
  std::vector<Plan> curve(3);
  curve[0].budget = 30;
  curve[0].trainable = {true, true, false};
  curve[1].budget = 10;
  curve[1].trainable = {false, true, false};
  curve[2].budget = 20;
  curve[2].trainable = {true, false, false};
  const auto budgets = EntryBudgets(curve, 3);
  EXPECT_EQ(budgets[0], 20);
  EXPECT_EQ(budgets[1], 10);
  EXPECT_EQ(budgets[2], std::nullopt);
}

TEST(ValuePerCost, IsTheShareOfPositiveImportanceByTheShareOfFullCost) {
  ModelProfile profile;
  profile.ops = {{.block = kNone}, {.block = 0}};
  profile.tensors = {{.op = 0}, {.op = 1}, {.op = 1}, {.op = kNone}};
  profile.blocks = {"block"};
  const std::vector<double> importance = {1, 3, -1, 0};
  Plan plan{.trainable = {true, true, false, false}, .predicted_cost = 60, .full_cost = 100};
  EXPECT_DOUBLE_EQ(ValuePerCost(profile, plan, importance), 1 / 0.6);
  plan.drop_rates = {0.5};
  EXPECT_DOUBLE_EQ(ValuePerCost(profile, plan, importance), 2.5 / 4 / 0.6);
  plan.trainable = {true, false, true, false};
  plan.drop_rates.clear();
  EXPECT_DOUBLE_EQ(ValuePerCost(profile, plan, importance), 0);
  EXPECT_EQ(ValuePerCost(profile, plan, {0, 0, -1, 0}), 0);
  plan.predicted_cost = 0;
  EXPECT_EQ(ValuePerCost(profile, plan, importance), 0);
}

}  // namespace
}  // namespace greenplan
