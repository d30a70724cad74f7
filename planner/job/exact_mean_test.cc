#include "planner/job/exact_mean.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace greenplan {
namespace {

using Values = std::vector<std::pair<double, int64_t>>;

constexpr double kMax = std::numeric_limits<double>::max();
constexpr double kMin = std::numeric_limits<double>::denorm_min();
constexpr int64_t kMaxWeight = std::numeric_limits<int64_t>::max();

double Mean(const Values& values) {
  ExactMean mean;
  for (const auto& [value, weight] : values) mean.Add(value, weight);
  return mean.Mean();
}

TEST(ExactMeanTest, TheMeanOfOneValueIsThatValue) {
  for (const double value : {1.0, -3.25, 1e300, kMax, -kMax, kMin, -kMin, 0.1, 2.2250738585072011e-308, 0x1.8p-1070}) {
    for (const int64_t weight : {int64_t{1}, int64_t{3}, int64_t{1000}, kMaxWeight}) {
      EXPECT_EQ(Mean({{value, weight}}), value) << value << " " << weight;
    }
  }
}

TEST(ExactMeanTest, WeighsTheValues) {
  EXPECT_EQ(Mean({{1, 3}, {5, 1}}), 2);
  EXPECT_EQ(Mean({{-1, 1}, {1, 3}}), 0.5);
  EXPECT_EQ(Mean({{1, 1}, {0, 2}}), 1.0 / 3);
  EXPECT_EQ(Mean({{2, 1}, {0, 2}}), 2.0 / 3);
  EXPECT_EQ(Mean({{7, kMaxWeight}, {7, kMaxWeight}, {7, 5}}), 7);
}

TEST(ExactMeanTest, NothingAddedIsNoValueAndZerosAreZero) {
  EXPECT_FALSE(ExactMean().has_value());
  EXPECT_EQ(ExactMean().Mean(), 0);
  EXPECT_FALSE(std::signbit(Mean({{-0.0, 1}})));
  EXPECT_FALSE(std::signbit(Mean({{-1, 2}, {1, 2}})));
}

TEST(ExactMeanTest, NeitherCancellationNorASumAboveTheRangeLosesAnything) {
  EXPECT_EQ(Mean({{1e300, 1}, {1, 1}, {-1e300, 1}}), 1.0 / 3);
  EXPECT_EQ(Mean({{kMax, 1}, {kMax, 1}, {kMax, 1}}), kMax);
  EXPECT_EQ(Mean({{kMax, kMaxWeight}, {-kMax, kMaxWeight}, {kMin, 1}, {kMin, 1}}), 0) << "below half a unit";
  EXPECT_EQ(Mean({{kMax, 7}, {-kMax, 7}, {30 * kMin, 1}}), 2 * kMin);
}

TEST(ExactMeanTest, RoundsOnceAndTiesToEven) {
  const double next = std::nextafter(1.0, 2.0);
  EXPECT_EQ(Mean({{1, 1}, {next, 1}}), 1);  // A tie.
  EXPECT_EQ(Mean({{next, 1}, {std::nextafter(next, 2.0), 1}}), std::nextafter(next, 2.0));
  // (4 + 4 next + a little) / 8: the little decides the tie.
  EXPECT_EQ(Mean({{4, 1}, {4 * next, 1}, {0, 6}}), 1);
  EXPECT_EQ(Mean({{4, 1}, {4 * next, 1}, {kMin, 1}, {0, 5}}), next);
  EXPECT_EQ(Mean({{4, 1}, {4 * next, 1}, {-kMin, 1}, {0, 5}}), 1);
  EXPECT_EQ(Mean({{kMin, 1}, {2 * kMin, 1}}), 2 * kMin);  // Ties among subnormal numbers.
  EXPECT_EQ(Mean({{3 * kMin, 1}, {2 * kMin, 1}}), 2 * kMin);
  EXPECT_EQ(Mean({{kMin, 1}, {0, 1}}), 0);
  EXPECT_EQ(Mean({{kMin, 1}, {kMin, 1}, {0, 1}}), kMin);
}

// Long double has 64 bits, enough for values of 24 bits and these weights; the division is then rounded twice, so that
// a result in the middle between two doubles is left out.
TEST(ExactMeanTest, AgreesWithWiderArithmeticInAnyOrder) {
  std::mt19937_64 random(7);
  for (int trial = 0; trial < 2000; ++trial) {
    Values values;
    long double sum = 0;
    int64_t total = 0;
    const int size = 1 + static_cast<int>(random() % 8);
    for (int i = 0; i < size; ++i) {
      const double value = std::ldexp(static_cast<double>(static_cast<int64_t>(random() % 200001) - 100000), 3);
      const auto weight = static_cast<int64_t>(1 + random() % 1000);
      values.emplace_back(value, weight);
      sum += static_cast<long double>(value) * weight;
      total += weight;
    }
    const double expected = static_cast<double>(sum / total);
    const double mean = Mean(values);
    EXPECT_LE(std::abs(mean - expected), std::abs(expected) * 0x1p-52) << trial;
    std::shuffle(values.begin(), values.end(), random);
    EXPECT_EQ(Mean(values), mean) << trial;
  }
}

// An exact quotient of integers: value * 2^scale with every scale that a double has.
TEST(ExactMeanTest, ScalesExactlyOverTheWholeRange) {
  for (int scale = -1074; scale <= 1000; scale += 7) {
    const double unit = std::ldexp(1.0, scale);
    EXPECT_EQ(Mean({{6 * unit, 1}, {9 * unit, 2}}), 8 * unit) << scale;
    EXPECT_EQ(Mean({{-6 * unit, 1}, {-9 * unit, 2}}), -8 * unit) << scale;
  }
}

}  // namespace
}  // namespace greenplan
