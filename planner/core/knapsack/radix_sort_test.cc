#include "planner/core/knapsack/radix_sort.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

TEST(OrderByKey, IsTheOrderOfAStableSort) {
  TestRandom random(1);
  for (int size : {0, 1, 2, 3, 17, 255, 256, 257, 4095, 4096, 10000}) {
    for (const int bits : {1, 8, 9, 32, 33, 40, 64}) {
      std::vector<uint64_t> keys(size);
      for (uint64_t& key : keys) {
        const uint64_t high = static_cast<uint64_t>(random.Below(1 << 30)) << 34;
        key = (high | static_cast<uint64_t>(random.Below(1 << 30))) >> (64 - bits);
      }
      std::vector<int> expected(size);
      std::iota(expected.begin(), expected.end(), 0);
      std::stable_sort(expected.begin(), expected.end(), [&](int a, int b) { return keys[a] < keys[b]; });
      EXPECT_EQ(OrderByKey(keys), expected) << size << " keys of " << bits << " bits";
    }
  }
}

TEST(OrderByKey, ComparesWholeKeysWhereTheirLeadingBitsAgree) {
  // The first and the last key differ in the highest bit; the others in the lowest ones alone.
  std::vector<uint64_t> keys = {~uint64_t{0}};
  for (uint64_t i = 0; i < 100; ++i) keys.push_back((uint64_t{1} << 62) + i * 37 % 100 / 2);
  keys.push_back(0);
  std::vector<int> expected(keys.size());
  std::iota(expected.begin(), expected.end(), 0);
  std::stable_sort(expected.begin(), expected.end(), [&](int a, int b) { return keys[a] < keys[b]; });
  EXPECT_EQ(OrderByKey(keys), expected);
}

TEST(FallingKey, RisesWhereTheNumberFalls) {
  const double numbers[] = {std::numeric_limits<double>::infinity(), 1e300, 2, 1 + 1e-15, 1, 1e-300, 5e-324, 0};
  for (size_t i = 1; i < std::size(numbers); ++i) {
    EXPECT_LT(FallingKey(numbers[i - 1]), FallingKey(numbers[i])) << numbers[i];
  }
}

}  // namespace
}  // namespace greenplan
