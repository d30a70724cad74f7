#include "planner/core/selection/cheapest_tensor.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

// Every candidate, one by one.
CheapestTensor BySearchingAll(const ModelProfile& profile, const std::vector<bool>& candidates, int64_t budget) {
  CheapestTensor cheapest;
  for (size_t k = 0; k < candidates.size(); ++k) {
    if (!candidates[k]) continue;
    std::vector<bool> alone(candidates.size(), false);
    alone[k] = true;
    const MaskCost cost = EvaluateMask(profile, alone);
    cheapest.backward_cost = std::min(cheapest.backward_cost.value_or(cost.backward_cost), cost.backward_cost);
    if (cost.backward_cost > budget) continue;
    cheapest.saved_bytes = std::min(cheapest.saved_bytes.value_or(cost.saved_bytes), cost.saved_bytes);
  }
  return cheapest;
}

TEST(FindCheapestTensorTest, FindsWhatASearchOfAllFindsOnEveryShapeOfGraph) {
  for (GraphShape shape : kAllShapes) {
    for (uint64_t seed = 0; seed < 300; ++seed) {
      TestRandom random(seed);
      const ModelProfile profile = RandomProfile({.shape = shape, .size = 1 + random.Below(6)}, random);
      std::vector<bool> candidates = FullMask(profile);
      for (size_t k = 0; k < candidates.size(); ++k) candidates[k] = candidates[k] && random.Chance(0.7);
      const int64_t full = EvaluateMask(profile, FullMask(profile)).backward_cost;
      const int64_t budget = static_cast<int64_t>(static_cast<double>(full) * random.Unit() * random.Unit());

      WorkMeter unlimited;
      const CheapestTensor found = FindCheapestTensor(profile, candidates, budget, unlimited);
      const CheapestTensor expected = BySearchingAll(profile, candidates, budget);
      EXPECT_EQ(found.backward_cost, expected.backward_cost) << "shape " << static_cast<int>(shape) << " seed " << seed;
      EXPECT_EQ(found.saved_bytes, expected.saved_bytes) << "shape " << static_cast<int>(shape) << " seed " << seed;
    }
  }
}

TEST(FindCheapestTensorTest, HasNoFiguresWithoutCandidates) {
  TestRandom random(1);
  const ModelProfile profile = RandomProfile({}, random);
  WorkMeter unlimited;
  const CheapestTensor found =
      FindCheapestTensor(profile, std::vector<bool>(profile.tensors.size(), false), 100, unlimited);
  EXPECT_EQ(found.backward_cost, std::nullopt);
  EXPECT_EQ(found.saved_bytes, std::nullopt);
}

// On a network the bound along single paths settles next to nothing: all candidates would have to be tried.
TEST(FindCheapestTensorTest, GivesBoundsWhereTheMeterRunsOut) {
  ModelProfile profile;
  constexpr int kWidth = 100;
  profile.ops.resize(2 * kWidth + 1);
  for (int i = 1; i <= kWidth; ++i) {
    profile.ops[0].inputs.push_back({i, 0});
    profile.ops[i].cost = 1000;
    for (int j = 0; j < kWidth; ++j) profile.ops[i].inputs.push_back({kWidth + 1 + j, 0});
  }
  for (int j = 0; j < kWidth; ++j) profile.tensors.push_back({.op = kWidth + 1 + j, .weight_grad_cost = j});
  const std::vector<bool> all(kWidth, true);
  WorkMeter unlimited;
  const CheapestTensor found = FindCheapestTensor(profile, all, 100, unlimited);
  EXPECT_EQ(found.backward_cost, 100000);
  EXPECT_FALSE(found.is_cut_short);
  const StopFunction never;
  WorkMeter meter(100, never);
  const CheapestTensor bounded = FindCheapestTensor(profile, all, 100, meter);
  EXPECT_TRUE(bounded.is_cut_short);
  EXPECT_LE(bounded.backward_cost, 100000);
}

}  // namespace
}  // namespace greenplan
