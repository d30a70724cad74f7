#include "planner/core/joint/scaled_profile.h"

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

ModelProfile OneBlock(int64_t cost) {
  ModelProfile profile;
  profile.blocks = {"a"};
  profile.ops = {{.cost = cost, .inputs = {{1, cost}}}, {.cost = cost, .block = 0}};
  profile.tensors = {{.op = 1, .weight_grad_cost = cost}, {.op = kNone}};
  return profile;
}

TEST(ScaledProfile, ScalesWhatLiesInBlocksAndRoundsInOneDirection) {
  const ModelProfile profile = OneBlock(5);
  ScaledProfile up(profile), down(profile, ScaledProfile::Rounding::kDown);
  for (const auto& [rate, above, below] :
       {std::tuple{0.5, 3, 2}, {0.2, 4, 3}, {0.0, 5, 5}, {1.0, 0, 0}, {1e-300, 5, 4}}) {
    EXPECT_EQ(up.At({rate}).ops[1].cost, above) << rate;
    EXPECT_EQ(up.At({rate}).tensors[0].weight_grad_cost, above) << rate;
    EXPECT_EQ(down.At({rate}).ops[1].cost, below) << rate;
    EXPECT_EQ(down.At({rate}).ops[0].cost, 5);
    EXPECT_EQ(down.At({rate}).ops[0].inputs[0].cost, 5);
  }
}

TEST(ScaledProfile, ALargerShiftRoundsLess) {
  const ModelProfile profile = OneBlock(5);
  ScaledProfile scaled(profile, ScaledProfile::Rounding::kUp, 1);
  EXPECT_EQ(scaled.At({0.5}).ops[1].cost, 5);
  EXPECT_EQ(scaled.At({0}).ops[0].cost, 10);
}

TEST(ScaledProfile, TheLargestShiftKeepsTheSumOfAllCostsWithinItsLimit) {
  for (int seed = 0; seed < 100; ++seed) {
    TestRandom random(seed);
    const ModelProfile profile = RandomProfile({.max_cost = int64_t{1} << (1 + random.Below(50))}, random);
    const int shift = ScaledProfile::LargestShift(profile);
    ScaledProfile scaled(profile, ScaledProfile::Rounding::kUp, shift);
    const int64_t full = EvaluateMask(profile, FullMask(profile)).backward_cost;
    const ModelProfile& copy = scaled.At(std::vector<double>(profile.blocks.size(), 0.0));
    EXPECT_EQ(EvaluateMask(copy, FullMask(profile)).backward_cost, full << shift);
    EXPECT_EQ(ScaledProfile::LargestShift(copy), 0);
  }
}

// Between the two roundings lies the expected cost.
TEST(ScaledProfile, BracketsTheExpectedCost) {
  for (int seed = 0; seed < 300; ++seed) {
    TestRandom random(seed);
    const ModelProfile profile = RandomProfile({.shape = kAllShapes[seed % 3], .size = 8, .with_blocks = true}, random);
    std::vector<double> rates(profile.blocks.size());
    for (double& rate : rates) rate = random.Unit();
    std::vector<bool> mask(profile.tensors.size());
    for (size_t k = 0; k < mask.size(); ++k) mask[k] = random.Chance(0.5);
    ScaledProfile up(profile), down(profile, ScaledProfile::Rounding::kDown);
    const int64_t expected = ExpectedBackwardCost(profile, mask, rates);
    EXPECT_LE(expected, EvaluateMask(up.At(rates), mask).backward_cost) << seed;
    EXPECT_GE(expected, EvaluateMask(down.At(rates), mask).backward_cost) << seed;
  }
}

}  // namespace
}  // namespace greenplan
