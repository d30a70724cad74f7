#include "trainer_client/session/step_plan.h"

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"

namespace greenplan::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A stream of three blocks of costs 10, 20 and 40, each with a tensor of as much, above an embedding.
ModelProfile Stack() {
  ModelProfile profile;
  profile.ops = {{.name = "loss", .inputs = {{.op = 1}, {.op = 2}, {.op = 3}, {.op = 4}}}};
  for (int b = 0; b < 3; ++b) {
    profile.ops.push_back({.name = "block", .cost = 10 << b, .inputs = {{.op = 4}}, .block = b});
    profile.tensors.push_back({.name = "weight", .op = b + 1, .weight_grad_cost = 10 << b});
  }
  profile.ops.push_back({.name = "embedding", .cost = 1});
  profile.tensors.push_back({.name = "embedding", .op = 4, .weight_grad_cost = 2});
  profile.blocks = {"a", "b", "c"};
  return profile;
}

Plan PlanWith(std::vector<double> rates) {
  return {.trainable = std::vector<bool>(4, true), .drop_rates = std::move(rates), .seed = 7};
}

TEST(StepPlanner, KeepsEveryBlockWithoutRates) {
  const ModelProfile profile = Stack();
  for (const std::vector<double>& rates : {std::vector<double>{}, {0, 0, 0}}) {
    const StepPlanner planner(profile, PlanWith(rates));
    EXPECT_FALSE(planner.drops_blocks());
    const StepPlan step = planner.Draw(3);
    EXPECT_THAT(step.dropped_blocks, IsEmpty());
    EXPECT_EQ(step.predicted_backward_cost, 2 * 70 + 3);
    EXPECT_THAT(step.reached, ElementsAre(true, true, true, true));
  }
}

TEST(StepPlanner, NamesWhatADrawDropsAndItsExactCost) {
  const ModelProfile profile = Stack();
  const StepPlanner planner(profile, PlanWith({0, 1, 0}));
  ASSERT_TRUE(planner.drops_blocks());
  const StepPlan step = planner.Draw(0);
  EXPECT_THAT(step.dropped_blocks, ElementsAre("b"));
  EXPECT_EQ(step.predicted_backward_cost, 2 * 50 + 3);
  EXPECT_THAT(step.reached, ElementsAre(true, false, true, true));
  EXPECT_EQ(planner.WithoutDrops().predicted_backward_cost, 2 * 70 + 3);
}

TEST(StepPlanner, CostsItsExpectationOnAverageAndIsNeverFarFromIt) {
  const ModelProfile profile = Stack();
  const Plan plan = PlanWith({0.3, 0.6, 0.45});
  const StepPlanner planner(profile, plan);
  const double expected =
      static_cast<double>(EvaluateMask(profile, plan.trainable).backward_cost) - 0.3 * 20 - 0.6 * 40 - 0.45 * 80;
  constexpr int kSteps = 20000;
  double sum = 0;
  for (int step = 0; step < kSteps; ++step) {
    const double cost = static_cast<double>(planner.Draw(step).predicted_backward_cost);
    EXPECT_LE(std::abs(cost - expected), 80) << "further from the mean than the most expensive block";
    sum += cost;
  }
  EXPECT_NEAR(sum / kSteps, expected, 5 * 80 / std::sqrt(kSteps));
}

// The frozen weights change which blocks cost about the same: a and c, b and d. One of each two is dropped.
TEST(StepPlanner, ACostIsNearlyTheSameInEachStepUnderThePlansMask) {
  ModelProfile profile;
  profile.ops = {{.name = "loss", .inputs = {{.op = 1}, {.op = 2}, {.op = 3}, {.op = 4}, {.op = 5}}}};
  for (int b = 0; b < 4; ++b) {
    profile.ops.push_back({.name = "block", .cost = b + 1, .inputs = {{.op = 5}}, .block = b});
    profile.tensors.push_back({.name = "weight", .op = b + 1, .weight_grad_cost = 100});
  }
  profile.ops.push_back({.name = "embedding", .cost = 1});
  profile.tensors.push_back({.name = "embedding", .op = 5, .weight_grad_cost = 1});
  profile.blocks = {"a", "b", "c", "d"};
  const StepPlanner planner(
      profile, {.trainable = {true, false, true, false, true}, .drop_rates = {0.5, 0.5, 0.5, 0.5}, .seed = 7});
  const int64_t expected = planner.WithoutDrops().predicted_backward_cost - (101 + 2 + 103 + 4) / 2;
  for (int step = 0; step < 100; ++step) {
    EXPECT_LE(std::abs(planner.Draw(step).predicted_backward_cost - expected), 2) << step;
  }
}

TEST(StepPlanner, DrawsTheSameForTheSameNumberAndSeed) {
  const ModelProfile profile = Stack();
  const StepPlanner one(profile, PlanWith({0.5, 0.5, 0.5})), other(profile, PlanWith({0.5, 0.5, 0.5}));
  Plan reseeded = PlanWith({0.5, 0.5, 0.5});
  reseeded.seed = 8;
  const StepPlanner another(profile, reseeded);
  int differing = 0;
  for (int step = 0; step < 100; ++step) {
    EXPECT_EQ(one.Draw(step).dropped_blocks, other.Draw(step).dropped_blocks);
    differing += one.Draw(step).dropped_blocks != another.Draw(step).dropped_blocks;
  }
  EXPECT_GT(differing, 20);
}

}  // namespace
}  // namespace greenplan::trainer
