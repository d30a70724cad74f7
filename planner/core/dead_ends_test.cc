#include "planner/core/dead_ends.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

TEST(WithoutDeadEnds, LeavesAProfileWithoutThemAsItIs) {
  TestRandom random(1);
  auto profile =
      std::make_shared<const ModelProfile>(RandomProfile({.shape = GraphShape::kDecoder, .size = 3}, random));
  EXPECT_EQ(WithoutDeadEnds(profile), profile);
}

TEST(WithoutDeadEnds, RemovesOpsThatReachNoTensorAndTheEdgesIntoThem) {
  auto profile = std::make_shared<ModelProfile>();
  profile->ops = {{.name = "loss", .inputs = {{1, 5}, {2, 7}, {1, 11}, {3, 13}}},
                  {.name = "dead", .cost = 100, .inputs = {{4, 17}}},
                  {.name = "live", .cost = 3, .inputs = {{3, 19}, {4, 23}}, .block = 0},
                  {.name = "leaf", .cost = 2, .saved_bytes = 9},
                  {.name = "dead too", .cost = 1000}};
  profile->tensors = {{.name = "a", .op = 3, .weight_grad_cost = 29, .saved_bytes = 31}, {.name = "no op"}};
  profile->blocks = {"block"};
  const std::shared_ptr<const ModelProfile> result = WithoutDeadEnds(profile);
  ASSERT_EQ(result->ops.size(), 3);
  ASSERT_EQ(result->ops[0].inputs.size(), 2);
  EXPECT_EQ(result->ops[0].inputs[0].op, 1);
  EXPECT_EQ(result->ops[0].inputs[0].cost, 7);
  EXPECT_EQ(result->ops[0].inputs[1].op, 2);
  EXPECT_EQ(result->ops[1].block, 0);
  EXPECT_EQ(result->ops[1].inputs.size(), 1);
  EXPECT_EQ(result->tensors[0].op, 2);
  EXPECT_EQ(result->tensors[1].op, kNone);
  EXPECT_EQ(result->blocks.size(), 1);
}

TEST(WithoutDeadEnds, LeavesTheCostOfEveryMaskAsItIs) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    TestRandom random(seed);
    // With so few tensors most graphs have ops that reach none.
    auto profile = std::make_shared<const ModelProfile>(
        RandomProfile({.shape = GraphShape::kDag, .size = 10, .with_blocks = true, .max_tensors = 3}, random));
    const std::shared_ptr<const ModelProfile> result = WithoutDeadEnds(profile);
    const auto num_tensors = static_cast<int>(profile->tensors.size());
    for (int bits = 0; bits < 1 << num_tensors; ++bits) {
      std::vector<bool> mask(num_tensors);
      for (int k = 0; k < num_tensors; ++k) mask[k] = ((bits >> k) & 1) != 0;
      EXPECT_EQ(EvaluateMask(*result, mask).backward_cost, EvaluateMask(*profile, mask).backward_cost) << seed;
      EXPECT_EQ(EvaluateMask(*result, mask).saved_bytes, EvaluateMask(*profile, mask).saved_bytes) << seed;
      EXPECT_EQ(BlockCosts(*result, mask), BlockCosts(*profile, mask)) << seed;
    }
  }
}

TEST(WithoutDeadEnds, KeepsTheLossWhereNoTensorHasAnOp) {
  auto profile = std::make_shared<ModelProfile>();
  profile->ops = {{.name = "loss", .inputs = {{1, 5}}}, {.name = "dead"}};
  profile->tensors = {{.name = "a"}};
  EXPECT_EQ(WithoutDeadEnds(profile)->ops.size(), 1);
}

}  // namespace
}  // namespace greenplan
