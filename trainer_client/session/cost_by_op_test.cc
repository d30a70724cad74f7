#include "trainer_client/session/cost_by_op.h"

#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/plan.h"

namespace greenplan::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

// A loss above a head and two blocks, the second of which passes its gradient on to an embedding.
ModelProfile SomeProfile() {
  ModelProfile profile;
  profile.ops = {{.name = "Loss", .inputs = {{.op = 1, .cost = 3}, {.op = 2, .cost = 5}, {.op = 3}}},
                 {.name = "Mm", .cost = 7, .inputs = {{.op = 2, .cost = 11}}, .block = 0},
                 {.name = "Mm blocks.1.weight", .cost = 13, .inputs = {{.op = 3, .cost = 17}}, .block = 1},
                 {.name = "Embedding", .cost = 19}};
  profile.tensors = {{.name = "embedding", .op = 3, .weight_grad_cost = 23},
                     {.name = "second", .op = 2, .weight_grad_cost = 29},
                     {.name = "first", .op = 1, .weight_grad_cost = 31},
                     {.name = "unused"}};
  profile.blocks = {"blocks.0", "blocks.1"};
  return profile;
}

TEST(CostByOpTest, TellsWhichOpsPay) {
  const ModelProfile profile = SomeProfile();
  const Plan plan{.trainable = {false, true, false, false}};
  EXPECT_THAT(CostByOp(profile, StepPlanner(profile, plan).WithoutDrops()),
              ElementsAre(Pair("Loss", 3 + 5), Pair("Mm", 7 + 11 + 13 + 29)));
}

TEST(CostByOpTest, SumsUpToTheStepsCostForEveryMaskAndDraw) {
  const ModelProfile profile = SomeProfile();
  for (int mask = 0; mask < 8; ++mask) {
    const std::vector<bool> trainable = {(mask & 1) != 0, (mask & 2) != 0, (mask & 4) != 0, false};
    for (int drop = 0; drop < 4; ++drop) {
      const StepCost cost = EvaluateStep(profile, trainable, {(drop & 1) != 0, (drop & 2) != 0});
      StepPlan step{.reached = cost.reached, .predicted_backward_cost = cost.backward_cost};
      for (int b = 0; b < 2; ++b) {
        if ((drop >> b) & 1) step.dropped_blocks.push_back(profile.blocks[b]);
      }
      int64_t sum = 0;
      for (const auto& [name, value] : CostByOp(profile, step)) sum += value;
      EXPECT_EQ(sum, cost.backward_cost) << "mask " << mask << ", drop " << drop;
    }
  }
}

TEST(CostByOpTest, NodesOfOneKindAreOneOp) {
  EXPECT_THAT(FlopsByOp({{"MmBackward0", 3}, {"MmBackward1", 4}, {"Other", 5}}),
              ElementsAre(Pair("Mm", 7), Pair("Other", 5)));
}

TEST(CostByOpTest, ListsWhatDiffersWithBothFigures) {
  EXPECT_EQ(Differences({{"A", 3}, {"B", 5}, {"C", 7}}, {{"A", 3}, {"B", 4}, {"D", 9}}),
            "B 5 (4 predicted), C 7 (0 predicted), D 0 (9 predicted)");
  EXPECT_EQ(Differences({{"A", 3}}, {{"A", 3}}), "");
}

}  // namespace
}  // namespace greenplan::trainer
