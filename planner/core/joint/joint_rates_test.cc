#include "planner/core/joint/joint_rates.h"

#include <vector>

#include "gtest/gtest.h"

namespace greenplan {
namespace {

// The loss, and two blocks of cost 10 and 30 with a tensor each; a third tensor hangs on the loss.
ModelProfile TwoBlocks() {
  ModelProfile profile;
  profile.blocks = {"a", "b"};
  profile.ops = {{.cost = 5, .inputs = {{1, 0}, {2, 0}}}, {.cost = 4, .block = 0}, {.cost = 10, .block = 1}};
  profile.ops[2].saved_bytes = 7;
  profile.tensors = {{.op = 1, .weight_grad_cost = 6}, {.op = 2, .weight_grad_cost = 20}, {.op = 0}};
  return profile;
}

JointProblem Problem(const std::vector<double>& importance, int64_t backward_budget) {
  JointProblem problem{.selection = {.importance = &importance, .pins = std::vector<Pin>(3, Pin::kFree)},
                       .sensitivity = {1, 3},
                       .min_rates = {0, 0},
                       .max_rates = {1, 1},
                       .mu = 2};
  problem.selection.backward_budget = backward_budget;
  return problem;
}

TEST(JointValue, WeighsImportanceByWhatIsNotSkippedAndTakesOffTheHarm) {
  const ModelProfile profile = TwoBlocks();
  const std::vector<double> importance = {8, 16, 1};
  const JointProblem problem = Problem(importance, 100);
  EXPECT_EQ(JointValue(profile, problem, {true, true, true}, {0.5, 0.25}), 4 + 12 + 1 - 2 * (1 * 0.25 + 3 * 0.0625));
  EXPECT_EQ(JointValue(profile, problem, {false, true, false}, {0, 0}), 16);
}

TEST(BestRatesForMask, SkipsNothingWhereTheBudgetAllows) {
  const ModelProfile profile = TwoBlocks();
  const std::vector<double> importance = {8, 16, 1};
  WorkMeter unlimited;
  const auto rates = BestRatesForMask(profile, Problem(importance, 45), {true, true, true}, unlimited);
  ASSERT_TRUE(rates.has_value());
  EXPECT_EQ(*rates, (std::vector<double>{0, 0}));
}

// Block a loses 0.8 of value for each unit of cost, block b 16 / 30: without harm b alone would be skipped.
TEST(BestRatesForMask, SkipsWhereLeastIsLost) {
  const ModelProfile profile = TwoBlocks();
  const std::vector<double> importance = {8, 16, 1};
  JointProblem problem = Problem(importance, 30);
  problem.mu = 0;
  WorkMeter unlimited;
  const auto rates = BestRatesForMask(profile, problem, {true, true, true}, unlimited);
  ASSERT_TRUE(rates.has_value());
  EXPECT_EQ(*rates, (std::vector<double>{0, 0.5}));
}

TEST(BestRatesForMask, GivesOneRateToTheBlocksOfAGroup) {
  const ModelProfile profile = TwoBlocks();
  const std::vector<double> importance = {8, 16, 1};
  JointProblem problem = Problem(importance, 25);
  problem.groups = {0, 0};
  problem.sensitivity = {4};
  problem.min_rates = {0};
  problem.max_rates = {1};
  WorkMeter unlimited;
  const auto rates = BestRatesForMask(profile, problem, {true, true, true}, unlimited);
  ASSERT_TRUE(rates.has_value());
  EXPECT_NEAR((*rates)[0], 0.5, 1e-15);
  EXPECT_EQ(RatesOfBlocks(problem, {0.5}), (std::vector<double>{0.5, 0.5}));
  EXPECT_EQ(JointValue(profile, problem, {true, true, true}, {0.5}), 13 - 2);
}

TEST(BestRatesForMask, HasNoneWhereALimitIsOutOfReach) {
  const ModelProfile profile = TwoBlocks();
  const std::vector<double> importance = {8, 16, 1};
  WorkMeter unlimited;
  JointProblem problem = Problem(importance, 30);
  EXPECT_FALSE(BestRatesForMask(profile, Problem(importance, 4), {true, true, true}, unlimited).has_value());
  problem.selection.max_saved_bytes = 6;
  EXPECT_FALSE(BestRatesForMask(profile, problem, {true, true, true}, unlimited).has_value());
  EXPECT_TRUE(BestRatesForMask(profile, problem, {true, false, true}, unlimited).has_value());
}

}  // namespace
}  // namespace greenplan
