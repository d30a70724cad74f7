#include "profiler/autograd/testing/chain_model.h"

#include "gtest/gtest.h"

namespace greenplan::profiler::testing {
namespace {

// The graph is loss -> out product -> attention (no tensor) -> in product. Tensors are registered in forward order.
TEST(ChainModelTest, ChargesEveryTensorDownToTheDeepestItselfIncluded) {
  ModelProfile profile;
  profile.ops = {{.inputs = {{.op = 1}}},
                 {.inputs = {{.op = 2, .cost = 10}}},
                 {.cost = 5, .inputs = {{.op = 3}}},
                 {.inputs = {{.op = 4, .cost = 100}}},
                 {}};
  profile.tensors = {{.name = "bias", .op = 4},
                     {.name = "in", .op = 3, .weight_grad_cost = 100},
                     {.name = "out", .op = 1, .weight_grad_cost = 10}};
  EXPECT_EQ(ChainBackwardCost(profile, {false, false, true}), 10 + (10 + 5));
  EXPECT_EQ(ChainBackwardCost(profile, {false, true, false}), 100 + (10 + 5) + 100);
  EXPECT_EQ(ChainBackwardCost(profile, {true, true, true}), 10 + 100 + (10 + 5) + 100);
  EXPECT_EQ(ChainBackwardCost(profile, {false, false, false}), 0);
}

TEST(ChainModelTest, ATiedTensorsGradientCountsAllItsUses) {
  ModelProfile profile;
  profile.ops = {{.inputs = {{.op = 1}}}, {.inputs = {{.op = 2, .cost = 7}, {.op = 3, .cost = 7}}}, {}, {}};
  profile.tensors = {
      {.name = "tied", .op = 3}, {.name = "norm", .op = 1}, {.name = "other", .op = 2, .weight_grad_cost = 3}};
  EXPECT_EQ(ChainBackwardCost(profile, {true, false, false}), 7 + 7);
}

}  // namespace
}  // namespace greenplan::profiler::testing
