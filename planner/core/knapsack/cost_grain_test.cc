#include "planner/core/knapsack/cost_grain.h"

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "planner/core/testing/random_profiles.h"

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

TEST(CostGrains, AreTheCommonDivisorWhereThereIsALargeOne) {
  const CostGrains grains = FindCostGrains(Many({0, 600, 900}));
  ASSERT_EQ(grains.levels.size(), 1u);
  EXPECT_EQ(grains.levels[0].grain, 300);
  EXPECT_EQ(grains.levels[0].small_cost, 600);
  EXPECT_TRUE(grains.levels[0].small.empty());
  EXPECT_TRUE(grains.odd.empty());
}

TEST(CostGrains, LeaveOutTheFewThatStandInTheirWay) {
  Entries entries = Many({4000, 8000, 12000});
  entries[20].first = 8001;
  const CostGrains grains = FindCostGrains(entries);
  ASSERT_EQ(grains.levels.size(), 1u);
  EXPECT_EQ(grains.levels[0].grain, 4000);
  EXPECT_EQ(grains.odd, std::vector<int>{20});
  EXPECT_EQ(grains.by_falling_cost.size(), entries.size() - 1);
}

TEST(CostGrains, OfWhatIsSmallInOneComeNext) {
  const CostGrains grains = FindCostGrains(Many({1, 40, 60, 9000}));
  ASSERT_EQ(grains.levels.size(), 2u);
  EXPECT_EQ(grains.levels[0].grain, 9000);
  EXPECT_EQ(grains.levels[0].small.size(), 27u);
  EXPECT_EQ(grains.levels[1].grain, 20);
  EXPECT_EQ(grains.levels[1].small_cost, 40);
  EXPECT_EQ(grains.levels[1].small.size(), 9u);
}

TEST(CostGrains, AreNoneForNothingAndForTooManyCosts) {
  EXPECT_TRUE(FindCostGrains({}).levels.empty());
  Entries entries;
  for (int i = 1; i <= 25; ++i) entries.push_back({i * 100, i});
  EXPECT_TRUE(FindCostGrains(entries).levels.empty());
}

Entries DrawEntries(int count, TestRandom& random) {
  const int64_t unit = random.Cost(1000);
  Entries entries;
  for (int i = 0; i < count; ++i) {
    const bool is_small = random.Chance(0.3);
    entries.push_back({is_small ? 2 + random.Below(3) : unit * (1 + random.Below(6)) + random.Chance(0.03), i});
  }
  return entries;
}

bool Holds(const std::vector<int>& ids, int id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); }

TEST(CostGrains, DivideAllThatIsNeitherOddNorSmall) {
  for (int seed = 0; seed < 2000 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    TestRandom random(seed);
    const Entries entries = DrawEntries(40, random);
    const CostGrains grains = FindCostGrains(entries);
    EXPECT_LE(grains.odd.size(), 8u);
    for (size_t i = 0; i < grains.levels.size(); ++i) {
      const CostGrains::Level& level = grains.levels[i];
      EXPECT_GT(level.grain, 1);
      if (i > 0) EXPECT_LT(level.grain, grains.levels[i - 1].grain);
      int64_t small_total = 0;
      for (const auto& [cost, id] : entries) {
        if (cost == 0 || Holds(grains.odd, id)) continue;
        EXPECT_EQ(Holds(level.small, id), cost < level.small_cost);
        small_total += cost < level.small_cost ? cost : 0;
        const bool is_of_level = cost >= level.small_cost && (i == 0 || cost < grains.levels[i - 1].small_cost);
        if (is_of_level) EXPECT_EQ(cost % level.grain, 0);
      }
      EXPECT_LT(small_total, level.grain);
    }
    if (grains.by_falling_cost.empty()) continue;
    const auto is_free = [](const auto& entry) { return entry.first == 0; };
    const auto num_free = static_cast<size_t>(std::count_if(entries.begin(), entries.end(), is_free));
    EXPECT_EQ(grains.by_falling_cost.size() + grains.odd.size() + num_free, entries.size());
    for (size_t i = 1; i < grains.by_falling_cost.size(); ++i) {
      EXPECT_GE(entries[grains.by_falling_cost[i - 1]].first, entries[grains.by_falling_cost[i]].first);
    }
  }
}

// Against all that adding and freeing can come to.
TEST(MostFillable, LeavesNothingBetweenItAndTheRest) {
  int num_cut = 0;
  for (int seed = 0; seed < 3000 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    TestRandom random(seed);
    const Entries entries = DrawEntries(9, random);
    const CostGrains grains = FindCostGrains(entries);
    std::vector<SmallCosts> small(grains.levels.size());
    std::vector<int64_t> sums{0};
    for (const auto& [cost, id] : entries) {
      if (cost == 0 || Holds(grains.odd, id)) continue;
      const bool is_taken = random.Chance(0.5);
      for (size_t i = 0; i < small.size(); ++i) {
        if (!Holds(grains.levels[i].small, id)) continue;
        (is_taken ? small[i].taken : small[i].not_taken) += cost;
      }
      for (size_t s = sums.size(); s-- > 0;) sums.push_back(sums[s] + (is_taken ? -cost : cost));
    }
    std::sort(sums.begin(), sums.end());
    for (int i = 0; i < 20; ++i) {
      const int64_t rest = random.Cost(9000) - 4000;
      const int64_t most = MostFillable(grains.levels, small, rest);
      EXPECT_LE(most, rest);
      num_cut += most < rest;
      const auto above = std::upper_bound(sums.begin(), sums.end(), rest);
      if (above != sums.begin()) EXPECT_GE(most, *std::prev(above)) << "rest " << rest;
    }
  }
  EXPECT_GT(num_cut, 1000);
}

}  // namespace
}  // namespace greenplan
