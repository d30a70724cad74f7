#include "planner/core/explanation.h"

#include <vector>

#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

TEST(ExplainMask, MarginalCostIsTheDifferenceThatTheTensorMakes) {
  TestRandom random(3);
  const ModelProfile profile = RandomProfile({.shape = GraphShape::kEncoderDecoder, .size = 2}, random);
  const int n = static_cast<int>(profile.tensors.size());
  std::vector<bool> mask(n);
  for (int k = 0; k < n; ++k) mask[k] = random.Chance(0.3);
  const std::vector<TensorMarginal> marginals = ExplainMask(profile, mask, std::vector<double>(n, 2.5));
  const int64_t cost = EvaluateMask(profile, mask).backward_cost;
  for (int k = 0; k < n; ++k) {
    std::vector<bool> other = mask;
    other[k] = !mask[k];
    EXPECT_EQ(marginals[k].trainable, mask[k]);
    EXPECT_EQ(EvaluateMask(profile, other).backward_cost, cost + (mask[k] ? -1 : 1) * marginals[k].marginal_cost);
    EXPECT_GE(marginals[k].marginal_cost, profile.tensors[k].weight_grad_cost);
    EXPECT_EQ(marginals[k].importance, 2.5);
  }
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

}  // namespace
}  // namespace greenplan
