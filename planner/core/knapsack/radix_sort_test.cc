#include "planner/core/knapsack/radix_sort.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

TEST(RadixSort, SortsAsAStableSortDoes) {
  TestRandom random(1);
  for (int size : {0, 1, 2, 3, 17, 255, 256, 257, 5000}) {
    for (const int bits : {1, 8, 9, 33, 64}) {
      std::vector<KeyedIndex> elements(size);
      for (int i = 0; i < size; ++i) {
        const uint64_t high = static_cast<uint64_t>(random.Below(1 << 30)) << 34;
        elements[i] = {(high | static_cast<uint64_t>(random.Below(1 << 30))) >> (64 - bits), i};
      }
      std::vector<KeyedIndex> expected = elements;
      std::stable_sort(expected.begin(), expected.end(),
                       [](const KeyedIndex& a, const KeyedIndex& b) { return a.key < b.key; });
      RadixSort(elements);
      for (int i = 0; i < size; ++i) {
        ASSERT_EQ(elements[i].key, expected[i].key) << size << " elements of " << bits << " bits, at " << i;
        ASSERT_EQ(elements[i].index, expected[i].index) << size << " elements of " << bits << " bits, at " << i;
      }
    }
  }
}

TEST(FallingKey, RisesWhereTheNumberFalls) {
  const double numbers[] = {std::numeric_limits<double>::infinity(), 1e300, 2, 1 + 1e-15, 1, 1e-300, 5e-324, 0};
  for (size_t i = 1; i < std::size(numbers); ++i) {
    EXPECT_LT(FallingKey(numbers[i - 1]), FallingKey(numbers[i])) << numbers[i];
  }
}

}  // namespace
}  // namespace greenplan
