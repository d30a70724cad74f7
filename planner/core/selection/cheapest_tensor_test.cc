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

      const CheapestTensor found = FindCheapestTensor(profile, candidates, budget);
      const CheapestTensor expected = BySearchingAll(profile, candidates, budget);
      EXPECT_EQ(found.backward_cost, expected.backward_cost) << "shape " << static_cast<int>(shape) << " seed " << seed;
      EXPECT_EQ(found.saved_bytes, expected.saved_bytes) << "shape " << static_cast<int>(shape) << " seed " << seed;
    }
  }
}

TEST(FindCheapestTensorTest, HasNoFiguresWithoutCandidates) {
  TestRandom random(1);
  const ModelProfile profile = RandomProfile({}, random);
  const CheapestTensor found = FindCheapestTensor(profile, std::vector<bool>(profile.tensors.size(), false), 100);
  EXPECT_EQ(found.backward_cost, std::nullopt);
  EXPECT_EQ(found.saved_bytes, std::nullopt);
}

}  // namespace
}  // namespace greenplan
