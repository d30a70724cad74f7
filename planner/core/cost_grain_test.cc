#include "planner/core/cost_grain.h"

#include <algorithm>
#include <initializer_list>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "planner/core/random_profiles.h"

namespace greenplan {
namespace {

using Entries = std::vector<std::pair<int64_t, int>>;

// `count` entries of a cost each, more than may be odd.
Entries Many(std::initializer_list<int64_t> costs, int count = 9) {
  Entries entries;
  for (int64_t cost : costs) {
    for (int i = 0; i < count; ++i) entries.push_back({cost, static_cast<int>(entries.size())});
  }
  return entries;
}

TEST(CostGrain, IsTheCommonDivisorWhereThereIsALargeOne) {
  const CostGrain grain = FindCostGrain(Many({0, 600, 900}));
  EXPECT_EQ(grain.grain, 300);
  EXPECT_EQ(grain.small_cost, 600);
  EXPECT_TRUE(grain.odd.empty());
}

TEST(CostGrain, LeavesOutTheFewThatStandInItsWay) {
  Entries entries = Many({4000, 8000, 12000});
  entries[20].first = 8001;
  const CostGrain grain = FindCostGrain(entries);
  EXPECT_EQ(grain.grain, 4000);
  EXPECT_EQ(grain.odd, std::vector<int>{20});
}

TEST(CostGrain, LeavesOutSmallEntriesThatComeToLessThanIt) {
  const CostGrain grain = FindCostGrain(Many({1000, 3}, 50));
  EXPECT_EQ(grain.grain, 1000);
  EXPECT_EQ(grain.small_cost, 1000);
  EXPECT_TRUE(grain.odd.empty());
}

TEST(CostGrain, IsOneForNothingAndForTooManyCosts) {
  EXPECT_EQ(FindCostGrain({}).grain, 1);
  Entries entries;
  for (int i = 1; i <= 25; ++i) entries.push_back({i * 100, i});
  EXPECT_EQ(FindCostGrain(entries).grain, 1);
}

TEST(CostGrain, DividesAllThatIsNeitherOddNorSmall) {
  for (int seed = 0; seed < 2000; ++seed) {
    TestRandom random(seed);
    const int64_t unit = random.Cost(1000);
    Entries entries;
    for (int i = 0; i < 40; ++i) {
      const bool is_small = random.Chance(0.3);
      entries.push_back({is_small ? 1 + random.Below(3) : unit * (1 + random.Below(6)) + random.Chance(0.03), i});
    }
    const CostGrain grain = FindCostGrain(entries);
    ASSERT_GE(grain.grain, 1);
    ASSERT_LE(grain.odd.size(), 8);
    int64_t small_total = 0;
    for (const auto& [cost, id] : entries) {
      if (cost < grain.small_cost) {
        small_total += cost;
      } else if (std::find(grain.odd.begin(), grain.odd.end(), id) == grain.odd.end()) {
        EXPECT_EQ(cost % grain.grain, 0) << "seed " << seed;
      }
    }
    EXPECT_LT(small_total, grain.grain) << "seed " << seed;
  }
}

}  // namespace
}  // namespace greenplan
