#include "planner/core/exact_sum.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

constexpr int64_t kMaxCost = int64_t{1} << 62;

// The same sum, bit by bit: how often each power of two is added.
class BitwiseSum {
 public:
  void AddProduct(double rate, int64_t cost) {
    while (rate > 0) {
      const int power = std::ilogb(rate);
      for (int bit = 0; bit <= 62; ++bit) counts_[kLowest + power + bit] += (cost >> bit) & 1;
      rate -= std::ldexp(1.0, power);
    }
  }

  // The whole part; `fraction` is what is left, rounded, and `is_whole` whether that is nothing.
  int64_t Floor(double& fraction, bool& is_whole) const {
    int64_t carry = 0;
    fraction = 0;
    is_whole = true;
    for (int i = 0; i < kLowest; ++i) {
      carry += counts_[i];
      fraction = (fraction + static_cast<double>(carry & 1)) / 2;
      is_whole &= (carry & 1) == 0;
      carry >>= 1;
    }
    int64_t whole = carry;
    for (int bit = 0; bit <= 62; ++bit) whole += counts_[kLowest + bit] << bit;
    return whole;
  }

 private:
  static constexpr int kLowest = 1074;

  std::vector<int64_t> counts_ = std::vector<int64_t>(kLowest + 64, 0);
};

// Of any order of magnitude that a double in [0, 1] can have.
double RandomRate(TestRandom& random) {
  const double unit = random.Chance(0.5) ? random.Unit() : 1.0 / (1 + random.Below(8));
  return random.Chance(0.5) ? unit : std::ldexp(unit, -random.Below(1080));
}

TEST(ExactSum, EqualsAdditionBitByBitAtEveryOrderOfMagnitude) {
  for (int seed = 0; seed < 3000; ++seed) {
    TestRandom random(seed);
    ExactSum sum;
    BitwiseSum expected;
    for (int terms = 1 + random.Below(20); terms > 0; --terms) {
      const double rate = RandomRate(random);
      const int64_t cost = random.Cost(random.Chance(0.5) ? 100 : int64_t{1} << 58);
      sum.AddProduct(rate, cost);
      expected.AddProduct(rate, cost);
    }
    double fraction;
    bool is_whole;
    const int64_t floor = expected.Floor(fraction, is_whole);
    ASSERT_EQ(sum.Floor(), floor) << "seed " << seed;
    ASSERT_EQ(sum.Ceiling(), floor + (is_whole ? 0 : 1)) << "seed " << seed;
    for (const int64_t value : {int64_t{0}, floor, floor + 1, kMaxCost}) {
      const double distance = static_cast<double>(value - floor) - fraction;
      ASSERT_NEAR(sum.DistanceTo(value), distance, 0x1p-52 * (1 + std::abs(distance))) << "seed " << seed;
    }
  }
}

TEST(ExactSum, EqualsIntegerArithmeticWhereThatIsWideEnough) {
  for (int seed = 0; seed < 3000; ++seed) {
    TestRandom random(seed);
    ExactSum sum;
    unsigned __int128 expected = 0;  // In units of 2^-53.
    for (int terms = 1 + random.Below(16); terms > 0; --terms) {
      const double rate = random.Chance(0.1) ? 1 : random.Unit();
      const int64_t cost = random.Cost(int64_t{1} << 58);
      sum.AddProduct(rate, cost);
      expected += static_cast<unsigned __int128>(std::ldexp(rate, 53)) * static_cast<uint64_t>(cost);
    }
    const auto floor = static_cast<int64_t>(expected >> 53);
    ASSERT_EQ(sum.Floor(), floor) << "seed " << seed;
    ASSERT_EQ(sum.Ceiling(), floor + ((expected << 75) != 0 ? 1 : 0)) << "seed " << seed;
  }
}

TEST(ExactSum, MissesAWholeNumberByItsSmallestTermAlone) {
  // 1/2 + 1/4 + ... + 2^-1074 lacks 2^-1074 to 1.
  ExactSum sum;
  for (int power = 1; power <= 1074; ++power) sum.AddProduct(std::ldexp(1.0, -power), 1);
  EXPECT_EQ(sum.Floor(), 0);
  EXPECT_EQ(sum.Ceiling(), 1);
  sum.AddProduct(std::numeric_limits<double>::denorm_min(), 1);
  EXPECT_EQ(sum.Floor(), 1);
  EXPECT_EQ(sum.Ceiling(), 1);
  EXPECT_EQ(sum.DistanceTo(1), 0);
}

TEST(ExactSum, SeesTheSmallestRateBesideTheLargestCosts) {
  ExactSum sum;
  sum.AddProduct(1, kMaxCost);
  sum.AddProduct(1, kMaxCost - 2);
  EXPECT_EQ(sum.Ceiling(), 2 * (kMaxCost - 1));
  sum.AddProduct(std::numeric_limits<double>::denorm_min(), 1);
  EXPECT_EQ(sum.Floor(), 2 * (kMaxCost - 1));
  EXPECT_EQ(sum.Ceiling(), std::numeric_limits<int64_t>::max());
}

TEST(ExactSum, IsNothingWithoutTermsAndForTermsOfNothing) {
  ExactSum sum;
  EXPECT_EQ(sum.Ceiling(), 0);
  sum.AddProduct(0, kMaxCost);
  sum.AddProduct(-0.0, kMaxCost);
  sum.AddProduct(1, 0);
  EXPECT_EQ(sum.Floor(), 0);
  EXPECT_EQ(sum.Ceiling(), 0);
  EXPECT_EQ(sum.DistanceTo(3), 3);
  EXPECT_EQ(sum.DistanceTo(-3), -3);
}

}  // namespace
}  // namespace greenplan
