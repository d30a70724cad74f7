#include "planner/core/selection/closure_search.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/knapsack/value_scale.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

int64_t UnitsOf(const std::vector<bool>& mask, const std::vector<int64_t>& units) {
  int64_t sum = 0;
  for (size_t k = 0; k < mask.size(); ++k) sum += mask[k] ? units[k] : 0;
  return sum;
}

TEST(SearchClosures, KeepsTheBudgetAndBoundsTheOptimum) {
  double gap = 0;
  int cases = 0;
  for (int seed = 0; seed < 600; ++seed) {
    for (GraphShape shape : kAllShapes) {
      TestRandom random(seed);
      const bool is_model = shape >= GraphShape::kDecoder;
      const ModelProfile profile =
          RandomProfile({.shape = shape, .size = is_model ? 1 : 10, .max_cost = 1000, .max_tensors = 9}, random);
      const std::vector<double> importance = RandomImportance(profile, ImportanceKind::kHeavyTailed, random);
      const ValueScale scale = ValueScale::Of(importance);
      const int n = static_cast<int>(importance.size());
      const int64_t full = EvaluateMask(profile, FullMask(profile)).backward_cost;
      const auto budget = static_cast<int64_t>(random.Unit() * static_cast<double>(full + 1));
      const StopFunction never;
      WorkMeter meter(1000000, never);
      const LiveSetResult result = SearchClosures(profile, std::vector<bool>(profile.ops.size(), false),
                                                  std::vector<bool>(n, false), scale.units, budget, meter);
      SCOPED_TRACE(absl::StrCat("seed ", seed, " shape ", static_cast<int>(shape)));
      ASSERT_LE(EvaluateMask(profile, result.trainable).backward_cost, budget);
      ASSERT_EQ(result.value, UnitsOf(result.trainable, scale.units));
      int64_t best = 0;
      for (uint32_t subset = 0; subset < (uint32_t{1} << n); ++subset) {
        std::vector<bool> mask(n);
        for (int k = 0; k < n; ++k) mask[k] = (subset >> k) & 1;
        const int64_t value = UnitsOf(mask, scale.units);
        if (value > best && EvaluateMask(profile, mask).backward_cost <= budget) best = value;
      }
      ASSERT_LE(result.value, best);
      ASSERT_GE(result.upper_bound, best);
      ++cases;
      gap += best > 0 ? static_cast<double>(best - result.value) / static_cast<double>(best) : 0;
    }
  }
  EXPECT_LT(gap / cases, 0.05);
}

}  // namespace
}  // namespace greenplan
