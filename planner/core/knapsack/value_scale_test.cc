#include "planner/core/knapsack/value_scale.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

// The sign of the exact sum, by partial sums that do not overlap (Shewchuk 1997). REQUIRES: none of them overflows.
int SignOfSum(const std::vector<double>& terms) {
  std::vector<double> parts;
  for (double sum : terms) {
    std::vector<double> left;
    for (double part : parts) {
      if (std::abs(sum) < std::abs(part)) std::swap(sum, part);
      const double rounded = sum + part;
      const double lost = part - (rounded - sum);
      if (lost != 0) left.push_back(lost);
      sum = rounded;
    }
    left.push_back(sum);
    parts = std::move(left);
  }
  for (size_t i = parts.size(); i-- > 0;) {
    if (parts[i] != 0) return parts[i] > 0 ? 1 : -1;
  }
  return 0;
}

// Of every kind that importance can be: whole, of one order of magnitude, of all, and at both ends of the range.
std::vector<double> RandomValues(TestRandom& random) {
  constexpr int kKinds = 6;
  const int kind = random.Below(kKinds);
  std::vector<double> values(1 + random.Below(12));
  for (double& value : values) {
    const int of_this = kind == kKinds - 1 ? random.Below(kKinds - 1) : kind;
    switch (of_this) {
      case 0:
        value = 6 * random.Below(20);
        break;
      case 1:
        value = 1 + random.Unit();
        break;
      case 2:
        value = std::ldexp(0.5 + random.Unit(), random.Below(1900) - 1000);
        break;
      case 3:
        value = static_cast<double>(random.Below(1000)) * std::numeric_limits<double>::denorm_min();
        break;
      default:
        value = (random.Chance(0.5) ? 1e300 : 1e-300) * (1 + random.Unit());
    }
    if (random.Chance(0.2)) value = -value;
  }
  return values;
}

int64_t SumOf(const std::vector<int64_t>& units, const std::vector<bool>& mask) {
  int64_t sum = 0;
  for (size_t k = 0; k < mask.size(); ++k) sum += mask[k] ? units[k] : 0;
  return sum;
}

std::vector<bool> RandomMask(const std::vector<double>& values, TestRandom& random) {
  std::vector<bool> mask(values.size());
  for (size_t k = 0; k < mask.size(); ++k) mask[k] = values[k] > 0 && random.Chance(0.5);
  return mask;
}

TEST(ValueScale, GivesEveryPositiveValueAtLeastAUnitAndKeepsTheSumInRange) {
  for (int seed = 0; seed < 20000; ++seed) {
    TestRandom random(seed);
    const std::vector<double> values = RandomValues(random);
    const ValueScale scale = ValueScale::Of(values);
    __int128 sum = 0;
    for (size_t k = 0; k < values.size(); ++k) {
      ASSERT_EQ(scale.units[k] > 0, values[k] > 0) << "seed " << seed;
      ASSERT_GE(scale.units[k], 0) << "seed " << seed;
      sum += static_cast<__int128>(scale.units[k]) * scale.divisor;
    }
    ASSERT_TRUE(sum == 0 || (sum >= int64_t{1} << 57 && sum < int64_t{1} << 60)) << "seed " << seed;
  }
}

TEST(ValueScale, OrdersSumsAsTheExactSumsOfImportanceAre) {
  int unrounded = 0;
  for (int seed = 0; seed < 20000; ++seed) {
    TestRandom random(seed);
    const std::vector<double> values = RandomValues(random);
    const ValueScale scale = ValueScale::Of(values);
    const std::vector<bool> a = RandomMask(values, random), b = RandomMask(values, random);
    std::vector<double> difference;
    for (size_t k = 0; k < values.size(); ++k) {
      if (a[k] != b[k]) difference.push_back(a[k] ? values[k] : -values[k]);
    }
    const __int128 raw = static_cast<__int128>(SumOf(scale.units, a) - SumOf(scale.units, b)) * scale.divisor;
    // A rounded value is off by less than a unit.
    if (scale.rounded > 0 && (raw < 0 ? -raw : raw) <= scale.rounded) continue;
    ASSERT_EQ(SignOfSum(difference), (raw > 0) - (raw < 0)) << "seed " << seed;
    unrounded += scale.rounded == 0;
  }
  EXPECT_GT(unrounded, 5000);
}

TEST(ValueScale, BoundsEverySumAndTheSumOfAllClosely) {
  for (int seed = 0; seed < 20000; ++seed) {
    TestRandom random(seed);
    const std::vector<double> values = RandomValues(random);
    const ValueScale scale = ValueScale::Of(values);
    std::vector<bool> mask = RandomMask(values, random);
    for (const bool all : {false, true}) {
      std::vector<double> excess;
      for (size_t k = 0; k < values.size(); ++k) {
        mask[k] = all ? values[k] > 0 : mask[k];
        if (mask[k]) excess.push_back(values[k]);
      }
      const double bound = scale.UpperBound(SumOf(scale.units, mask));
      excess.push_back(-bound);
      ASSERT_LE(SignOfSum(excess), 0) << "seed " << seed;
      excess.back() = -bound * (1 - 1e-14);
      ASSERT_TRUE(!all || bound == 0 || SignOfSum(excess) >= 0) << "seed " << seed;
    }
  }
}

TEST(ValueScale, TakesOutACommonDivisor) {
  EXPECT_EQ(ValueScale::Of({6, -6, 9, 15, 0}).units, (std::vector<int64_t>{2, 0, 3, 5, 0}));
  EXPECT_EQ(ValueScale::Of({0.1, 0.1, 0.2}).units, (std::vector<int64_t>{1, 1, 2}));
  EXPECT_EQ(ValueScale::Of({1e300, 5e300}).UpperBound(0), 0);
}

TEST(ValueScale, CountsWhatIsTooSmallAsAUnitAndAsRounded) {
  const ValueScale scale = ValueScale::Of({1e300, 1e-300});
  EXPECT_EQ(scale.units[1], 1);
  EXPECT_EQ(scale.rounded, 1);
  EXPECT_EQ(scale.divisor, 1);
}

TEST(ValueScale, HoldsASumBeyondEveryDouble) {
  constexpr double kMax = std::numeric_limits<double>::max();
  const ValueScale scale = ValueScale::Of({kMax, kMax, kMax / 2});
  EXPECT_GT(scale.units[0], scale.units[2]);
  EXPECT_EQ(scale.UpperBound(scale.units[0] + scale.units[1]), std::numeric_limits<double>::infinity());
  EXPECT_GE(scale.UpperBound(scale.units[2]), kMax / 2);
}

TEST(ValueScale, IsZeroWhereNothingIsWorthAnything) {
  EXPECT_TRUE(ValueScale::Of({}).units.empty());
  EXPECT_EQ(ValueScale::Of({0, -1, -1e300}).units, std::vector<int64_t>(3, 0));
  EXPECT_EQ(ValueScale::Of({0, -1, -1e300}).UpperBound(0), 0);
}

}  // namespace
}  // namespace greenplan
