#include "planner/core/byte_limit/departures.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

// One live set under two limits.
struct Problem {
  LiveSetTree tree;
  std::vector<int64_t> values;
  int64_t budget = 0;
  int64_t max_bytes = 0;
};

// Few different costs and bytes, so that items are alike; every fifth item or so is a bundle.
Problem RandomProblem(TestRandom& random) {
  Problem problem;
  problem.tree.nodes.push_back({.cost = random.Below(3), .saved_bytes = random.Below(3), .subtree_end = 1});
  const int below = random.Chance(0.5) ? 4 : 50;
  const auto add_tensor = [&] {
    problem.values.push_back(random.Below(20) - 1);
    return static_cast<int>(problem.values.size()) - 1;
  };
  for (int i = random.Below(10); i > 0; --i) {
    const int64_t cost = random.Below(below), bytes = random.Below(below);
    problem.budget += cost;
    problem.max_bytes += bytes;
    if (random.Chance(0.8)) {
      problem.tree.items.push_back({.tensor = add_tensor(), .cost = cost, .saved_bytes = bytes});
      continue;
    }
    const int64_t more = random.Below(below);
    problem.tree.items.push_back({.bundle = static_cast<int>(problem.tree.bundles.size())});
    problem.tree.bundles.push_back({.tensors = {add_tensor(), add_tensor()},
                                    .options = {{cost, bytes, 1}, {more, bytes, 2}, {cost + more, bytes, 3}}});
  }
  problem.budget = 2 + random.Cost(problem.budget + 1);
  problem.max_bytes = 2 + random.Cost(problem.max_bytes + 1);
  return problem;
}

// The best value over all choices from `items` from the i-th on.
int64_t BestOf(const PricedLiveSets& sets, const std::vector<int>& items, const PricedLiveSets::Room& room,
               size_t i = 0) {
  if (!room.fits()) return std::numeric_limits<int64_t>::min() / 2;
  if (i == items.size()) return 0;
  int64_t best = 0;
  for (int c = sets.item(items[i]).choices_begin; c < sets.ChoicesEnd(items[i]); ++c) {
    const PricedLiveSets::Choice& choice = sets.choices()[c];
    best =
        std::max(best, choice.value + BestOf(sets, items, {room.cost - choice.cost, room.bytes - choice.bytes}, i + 1));
  }
  return best;
}

void ExpectSelection(const PricedLiveSets& sets, const PricedSelection& selection) {
  PricedLiveSets::Room room = sets.room(0);
  int64_t value = 0;
  std::vector<int> items;
  for (const auto& [item, c] : selection.chosen) {
    EXPECT_GE(c, sets.item(item).choices_begin);
    EXPECT_LT(c, sets.ChoicesEnd(item));
    items.push_back(item);
    const PricedLiveSets::Choice& choice = sets.choices()[c];
    value += choice.value;
    room.cost -= choice.cost;
    room.bytes -= choice.bytes;
  }
  EXPECT_TRUE(room.fits());
  EXPECT_EQ(value, selection.value);
  std::sort(items.begin(), items.end());
  EXPECT_EQ(std::adjacent_find(items.begin(), items.end()), items.end()) << "two choices from one item";
}

int64_t BoundAt(const PricedLiveSets& sets, const LimitPrices& prices) {
  std::vector<double> bounds;
  WorkMeter unlimited;
  sets.BoundAll(prices, unlimited, bounds);
  return static_cast<int64_t>(std::ceil(bounds[0]));
}

TEST(Departures, FindTheBestOfTheLiveSetAtAnyPrices) {
  WorkMeter unlimited;
  for (int seed = 0; seed < 3000 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const Problem problem = RandomProblem(random);
    const PricedLiveSets sets(problem.tree, problem.values, problem.budget, problem.max_bytes, unlimited);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const int64_t best = BestOf(sets, sets.ItemsOf(0), sets.room(0));
    for (const LimitPrices& prices :
         {sets.BestPrices(0, unlimited), LimitPrices{}, LimitPrices{2 * random.Unit(), random.Unit()}}) {
      WorkMeter meter;
      PricedSelection selection;
      EXPECT_TRUE(Departures(sets, 0, prices, BoundAt(sets, prices), selection).Run(kNoLimit, meter));
      EXPECT_EQ(selection.value, best);
      ExpectSelection(sets, selection);
    }
  }
}

TEST(Departures, SayThatTheyWereStoppedAndKeepWhatTheyFound) {
  WorkMeter unlimited;
  int num_stopped = 0;
  for (int seed = 0; seed < 1000 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const Problem problem = RandomProblem(random);
    const PricedLiveSets sets(problem.tree, problem.values, problem.budget, problem.max_bytes, unlimited);
    const LimitPrices prices = sets.BestPrices(0, unlimited);
    const int64_t best = BestOf(sets, sets.ItemsOf(0), sets.room(0));
    for (const int64_t work : {0, 20, 60, 200}) {
      SCOPED_TRACE(absl::StrCat("seed ", seed, " work ", work));
      const StopFunction never;
      const bool by_meter = random.Chance(0.5);
      WorkMeter meter(by_meter ? work : kNoLimit, never);
      PricedSelection selection;
      Departures departures(sets, 0, prices, BoundAt(sets, prices), selection);
      const bool is_done = departures.Run(by_meter ? kNoLimit : work, meter);
      EXPECT_TRUE(is_done ? selection.value == best : selection.value <= best);
      ExpectSelection(sets, selection);
      num_stopped += !is_done;
    }
  }
  EXPECT_GT(num_stopped, 500);
}

// Sorting a hundred thousand items took tens of milliseconds in which nobody asked.
TEST(Departures, AskToStopWhileTheDecisionsAreMade) {
  constexpr int kNumItems = 20000;
  Problem problem;
  problem.tree.nodes.push_back({.subtree_end = 1});
  for (int k = 0; k < kNumItems; ++k) {
    problem.tree.items.push_back({.tensor = k, .cost = 1000 + k, .saved_bytes = 5000 - k % 7});
    problem.values.push_back(1 + k % 13);
  }
  problem.budget = int64_t{1000} * kNumItems;
  problem.max_bytes = int64_t{2500} * kNumItems;
  WorkMeter unlimited;
  const PricedLiveSets sets(problem.tree, problem.values, problem.budget, problem.max_bytes, unlimited);
  int num_questions = 0;
  int stop_at = kNumItems;
  const StopFunction should_stop = [&] { return ++num_questions >= stop_at; };
  PricedSelection selection;
  WorkMeter meter(kNoLimit, should_stop);
  EXPECT_FALSE(Departures(sets, 0, {1, 1}, kNoLimit / 4, selection).Run(/*max_work=*/0, meter));
  EXPECT_GE(num_questions, 5);
  for (stop_at = 1; stop_at <= 5; ++stop_at) {
    num_questions = 0;
    WorkMeter stopped(kNoLimit, should_stop);
    EXPECT_FALSE(Departures(sets, 0, {1, 1}, kNoLimit / 4, selection).Run(kNoLimit, stopped));
    EXPECT_EQ(num_questions, stop_at);
  }
}

TEST(Departures, LeaveABetterSelectionAsItIs) {
  WorkMeter unlimited;
  TestRandom random(3);
  const Problem problem = RandomProblem(random);
  const PricedLiveSets sets(problem.tree, problem.values, problem.budget, problem.max_bytes, unlimited);
  const LimitPrices prices = sets.BestPrices(0, unlimited);
  WorkMeter meter;
  PricedSelection better{BestOf(sets, sets.ItemsOf(0), sets.room(0)) + 1, {{7, 8}}};
  EXPECT_TRUE(Departures(sets, 0, prices, BoundAt(sets, prices), better).Run(kNoLimit, meter));
  EXPECT_EQ(better.chosen, (std::vector<std::pair<int, int>>{{7, 8}}));
}

TEST(Departures, SelectNothingWhereThereIsNothing) {
  Problem problem;
  problem.tree.nodes.push_back({.subtree_end = 1});
  WorkMeter meter;
  const PricedLiveSets sets(problem.tree, {}, 0, 0, meter);
  PricedSelection selection;
  EXPECT_TRUE(Departures(sets, 0, {1, 1}, 0, selection).Run(kNoLimit, meter));
  EXPECT_EQ(selection.value, 0);
  EXPECT_TRUE(selection.chosen.empty());
}

}  // namespace
}  // namespace greenplan
