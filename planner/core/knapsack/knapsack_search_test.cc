#include "planner/core/knapsack/knapsack_search.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/core/graph/live_sets.h"
#include "planner/core/testing/random_profiles.h"
#include "planner/core/testing/tree_enumeration.h"

namespace greenplan {
namespace {

using Entry = Ranking::Entry;

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

// A tree and what its tensors are worth.
struct Instance {
  LiveSetTree tree;
  std::vector<int64_t> values;
};

// The live sets of a random graph.
Instance RandomGraph(TestRandom& random) {
  const GraphShape shape = kAllShapes[random.Below(std::size(kAllShapes))];
  const bool is_model = shape >= GraphShape::kDecoder;
  RandomProfileOptions options{.shape = shape, .size = is_model ? 1 : 10, .max_tensors = 11};
  options.max_cost = random.Chance(0.5) ? 10 : 1000;
  const ModelProfile profile = RandomProfile(options, random);
  Instance instance;
  WorkMeter meter;
  instance.tree = BuildLiveSets(profile, std::vector<bool>(profile.ops.size(), false),
                                std::vector<bool>(profile.tensors.size(), false), {}, meter);
  for (const Tensor& tensor : profile.tensors) {
    const bool is_proportional = random.Chance(0.5);
    instance.values.push_back(is_proportional ? tensor.weight_grad_cost + 1 : random.Below(30) - 3);
  }
  return instance;
}

// One live set whose costs are multiples of a large number, but for a few odd and small ones, and worth about as much.
Instance WithGrain(TestRandom& random) {
  Instance instance;
  instance.tree.nodes.push_back({.cost = random.Cost(100), .subtree_end = 1});
  const int64_t grain = 1000;
  const auto draw = [&] {
    if (random.Chance(0.15)) return random.Cost(30);
    return grain * (1 + random.Below(5)) + (random.Chance(0.1) ? 1 + random.Cost(grain) : 0);
  };
  const auto add = [&](int64_t cost) {
    instance.values.push_back(cost + 1 + random.Below(4));
    return static_cast<int>(instance.values.size()) - 1;
  };
  for (int i = 6 + random.Below(8); i > 0; --i) {
    const int64_t cost = draw();
    instance.tree.items.push_back({.tensor = add(cost), .cost = cost});
  }
  if (random.Chance(0.3)) {
    const int64_t a = draw(), b = draw(), shared = grain * random.Below(3);
    instance.tree.bundles.push_back(
        {.tensors = {add(a), add(b)}, .options = {{shared + a, 0, 1}, {shared + b, 0, 2}, {shared + a + b, 0, 3}}});
    instance.tree.items.push_back({.bundle = 0});
  }
  return instance;
}

int64_t BestWithin(const Instance& instance, int node, int64_t room) {
  return BestOfLiveSet(instance.tree, instance.values, node, room, kNoLimit);
}

BreakPoint BreakPointOf(const Ranking& ranking, int node, int64_t room) {
  BreakPoint point{.node = node, .room = room};
  for (const Entry& entry : ranking.entries()) {
    if (entry.IsAvailableTo(node)) {
      if (point.cost + entry.cost > room) break;
      point.cost += entry.cost;
      point.value += entry.value;
    }
    ++point.break_rank;
  }
  return point;
}

// That the incumbent's departures lead to its value within its room.
void ExpectSelection(const Ranking& ranking, const Incumbent& incumbent) {
  int64_t cost = 0, value = 0;
  std::vector<int> option_of(ranking.bundles().size(), 0);
  std::vector<bool> is_taken(ranking.entries().size(), false);
  for (int rank = 0; rank < incumbent.from.break_rank; ++rank) {
    const Entry& entry = ranking.entries()[rank];
    if (!entry.IsAvailableTo(incumbent.from.node)) continue;
    is_taken[rank] = true;
    if (entry.bundle != kNone) option_of[entry.bundle] = entry.option;
  }
  for (const auto& [rank, option] : incumbent.changes) {
    const Entry& entry = ranking.entries()[rank];
    EXPECT_TRUE(entry.IsAvailableTo(incumbent.from.node));
    if (entry.bundle != kNone) option_of[entry.bundle] = option;
    is_taken[rank] = option == 1;
  }
  for (size_t rank = 0; rank < is_taken.size(); ++rank) {
    const Entry& entry = ranking.entries()[rank];
    if (!is_taken[rank] || entry.bundle != kNone) continue;
    cost += entry.cost;
    value += entry.value;
  }
  for (size_t b = 0; b < option_of.size(); ++b) {
    cost += ranking.bundles()[b].options[option_of[b]].cost;
    value += ranking.bundles()[b].options[option_of[b]].value;
  }
  EXPECT_LE(cost, incumbent.from.room);
  EXPECT_EQ(value, incumbent.value);
}

class KnapsackSearchOf : public testing::TestWithParam<Instance (*)(TestRandom&)> {};
INSTANTIATE_TEST_SUITE_P(Instances, KnapsackSearchOf, testing::Values(&RandomGraph, &WithGrain));

TEST_P(KnapsackSearchOf, FindsTheBestOfEachLiveSetWithAndWithoutAGrain) {
  for (int seed = 0; seed < 1500 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const Instance instance = GetParam()(random);
    WorkMeter unlimited;
    const Ranking ranking(instance.tree, instance.values, unlimited);
    KnapsackSearch search(ranking);
    const int node = random.Below(static_cast<int>(instance.tree.nodes.size()));
    for (const bool is_hard : {false, true}) {
      const int64_t room = random.Cost(random.Chance(0.2) ? 50 : random.Chance(0.5) ? 3000 : 20000);
      SCOPED_TRACE(absl::StrCat("seed ", seed, " node ", node, " room ", room, " hard ", is_hard));
      const BreakPoint point = BreakPointOf(ranking, node, room);
      const int64_t best = BestWithin(instance, node, room);
      EXPECT_GE(LinearBound(ranking, point), best);
      for (const int64_t value : {best - 1, best, best + 1}) {
        EXPECT_EQ(CanBeatAtBreak(ranking, point, value), LinearBound(ranking, point) > value);
      }
      WorkMeter meter;
      Incumbent incumbent;
      incumbent.value = random.Chance(0.5) ? 0 : std::max<int64_t>(0, best - 1);
      EXPECT_EQ(search.Improve(point, is_hard, kNoLimit, meter, incumbent), best);
      EXPECT_EQ(incumbent.value, best);
      if (best > 0) ExpectSelection(ranking, incumbent);
    }
  }
}

TEST_P(KnapsackSearchOf, BoundsTheBestWhereverItIsStopped) {
  int num_stopped = 0;
  for (int seed = 0; seed < 1500 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const Instance instance = GetParam()(random);
    WorkMeter unlimited;
    const Ranking ranking(instance.tree, instance.values, unlimited);
    KnapsackSearch search(ranking);
    const int node = static_cast<int>(instance.tree.nodes.size()) - 1;
    const int64_t room = random.Cost(random.Chance(0.5) ? 3000 : 20000);
    const int64_t best = BestWithin(instance, node, room);
    for (const int64_t work : {1, 20, 60, 100, 200, 400}) {
      SCOPED_TRACE(absl::StrCat("seed ", seed, " work ", work));
      const bool is_hard = random.Chance(0.5);
      const StopFunction never;
      WorkMeter meter(random.Chance(0.5) ? work : kNoLimit, never);
      Incumbent incumbent;
      const BreakPoint point = BreakPointOf(ranking, node, room);
      const int64_t bound = search.Improve(point, is_hard, work, meter, incumbent);
      EXPECT_GE(bound, best);
      EXPECT_LE(incumbent.value, best);
      if (incumbent.value > 0) ExpectSelection(ranking, incumbent);
      num_stopped += bound > incumbent.value;
    }
  }
  EXPECT_GT(num_stopped, 100);
}

// Bundles of 63 options, none of which dominates another, worth as much as they cost: their states are merged for long.
Instance OfWideBundles(int num_bundles, TestRandom& random) {
  Instance instance;
  instance.tree.nodes.push_back({.subtree_end = 1});
  for (int b = 0; b < num_bundles; ++b) {
    Bundle bundle;
    int64_t costs[6];
    for (int64_t& cost : costs) {
      cost = (int64_t{1} << 30) + random.Cost(int64_t{1} << 30);
      bundle.tensors.push_back(static_cast<int>(instance.values.size()));
      instance.values.push_back(cost + random.Below(3));
    }
    for (uint32_t subset = 1; subset < 64; ++subset) {
      int64_t cost = 0;
      for (int t = 0; t < 6; ++t) cost += ((subset >> t) & 1) != 0 ? costs[t] : 0;
      bundle.options.push_back({cost, 0, subset});
    }
    instance.tree.items.push_back({.bundle = b});
    instance.tree.bundles.push_back(std::move(bundle));
  }
  return instance;
}

TEST(KnapsackSearch, AsksToStopWhileStatesAreMergedAndThenBoundsTheBest) {
  TestRandom random(1);
  const Instance instance = OfWideBundles(6, random);
  WorkMeter unlimited;
  const Ranking ranking(instance.tree, instance.values, unlimited);
  const BreakPoint point = BreakPointOf(ranking, 0, 19 * (int64_t{1} << 30));
  Incumbent best;
  constexpr int64_t kWork = 5'000'000;
  int64_t num_questions = 0;
  const StopFunction never = [&] { return ++num_questions < 0; };
  WorkMeter meter(WorkMeter::kNoLimit, never);
  const int64_t bound = KnapsackSearch(ranking).Improve(point, /*is_hard=*/false, kWork, meter, best);
  EXPECT_GE(bound, best.value);
  // More than once for each bundle.
  EXPECT_GT(num_questions, 40);
  for (const double share : {0.02, 0.1, 0.3, 0.6, 0.9}) {
    int64_t left = static_cast<int64_t>(share * static_cast<double>(num_questions));
    const StopFunction should_stop = [&] { return --left < 0; };
    WorkMeter stopped(WorkMeter::kNoLimit, should_stop);
    Incumbent incumbent;
    EXPECT_GE(KnapsackSearch(ranking).Improve(point, /*is_hard=*/false, kWork, stopped, incumbent), best.value);
    EXPECT_TRUE(stopped.stopped());
    if (incumbent.value > 0) ExpectSelection(ranking, incumbent);
  }
}

TEST(KnapsackSearch, LeavesABetterIncumbentAsItIs) {
  const Instance instance = [] {
    TestRandom random(1);
    return WithGrain(random);
  }();
  WorkMeter unlimited;
  const Ranking ranking(instance.tree, instance.values, unlimited);
  const BreakPoint point = BreakPointOf(ranking, 0, 5000);
  const int64_t better = BestWithin(instance, 0, 5000) + 1;
  WorkMeter meter;
  Incumbent incumbent{.from = {.node = 7}, .value = better, .changes = {{3, 1}}};
  EXPECT_EQ(KnapsackSearch(ranking).Improve(point, true, kNoLimit, meter, incumbent), better);
  EXPECT_EQ(incumbent.from.node, 7);
  EXPECT_EQ(incumbent.changes.size(), 1u);
}

TEST(KnapsackSearch, SelectsNothingWhereNothingFitsAndAllWhereAllDoes) {
  Instance instance;
  instance.tree.nodes.push_back({.subtree_end = 1});
  for (int k = 0; k < 3; ++k) instance.tree.items.push_back({.tensor = k, .cost = 10 + k});
  instance.values = {5, 1, 7};
  WorkMeter unlimited;
  const Ranking ranking(instance.tree, instance.values, unlimited);
  WorkMeter meter;
  for (const bool is_hard : {false, true}) {
    Incumbent incumbent;
    EXPECT_EQ(KnapsackSearch(ranking).Improve(BreakPointOf(ranking, 0, 9), is_hard, kNoLimit, meter, incumbent), 0);
    const BreakPoint all = BreakPointOf(ranking, 0, 33);
    EXPECT_EQ(LinearBound(ranking, all), 13);
    EXPECT_EQ(KnapsackSearch(ranking).Improve(all, is_hard, kNoLimit, meter, incumbent), 13);
    EXPECT_TRUE(incumbent.changes.empty());
  }
}

// Of 3,000 entries of 20 costs; those of other costs are taken in any case.
TEST(KnapsackSearch, FindsAGrainThoughEntriesThatCannotMatterHaveNone) {
  for (const int num_others : {0, 60}) {
    TestRandom random(1);
    Instance instance;
    instance.tree.nodes.push_back({.subtree_end = 1});
    const auto add = [&](int64_t cost, int64_t value) {
      instance.tree.items.push_back({.tensor = static_cast<int>(instance.values.size()), .cost = cost});
      instance.values.push_back(value);
      return cost;
    };
    int64_t total = 0;
    for (int i = 0; i < 3000; ++i) {
      const int64_t cost = (3 + random.Below(20)) << 20;
      total += add(cost, 1000 * cost + random.Below(1000));
    }
    for (int i = 0; i < num_others; ++i) total += add(1000 + 37 * i, int64_t{1} << 40);
    WorkMeter unlimited;
    const Ranking ranking(instance.tree, instance.values, unlimited);
    Incumbent incumbent;
    const StopFunction never;
    WorkMeter meter(2'000'000, never);
    const BreakPoint point = BreakPointOf(ranking, 0, total / 2 + (1 << 18));
    EXPECT_EQ(KnapsackSearch(ranking).Improve(point, /*is_hard=*/true, kNoLimit, meter, incumbent), incumbent.value);
    EXPECT_FALSE(meter.exhausted()) << num_others;
  }
}

TEST(KnapsackSearch, GrainsAndSteepRatiosDoNotOverflow) {
  for (int seed = 0; seed < 300 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    TestRandom random(seed);
    Instance instance;
    instance.tree.nodes.push_back({.subtree_end = 1});
    const int64_t grain = int64_t{1} << 56;
    for (int k = 0; k < 12; ++k) {
      const int64_t cost = random.Chance(0.3) ? 1 + random.Below(3) : grain * (1 + random.Below(3));
      instance.tree.items.push_back({.tensor = k, .cost = cost});
      instance.values.push_back(int64_t{1} << (40 + random.Below(18)));
    }
    WorkMeter unlimited;
    const Ranking ranking(instance.tree, instance.values, unlimited);
    const int64_t room = random.Chance(0.5) ? random.Below(12) : grain * random.Below(9) + random.Below(12);
    Incumbent incumbent;
    const int64_t best = BestWithin(instance, 0, room);
    EXPECT_EQ(KnapsackSearch(ranking).Improve(BreakPointOf(ranking, 0, room), true, kNoLimit, unlimited, incumbent),
              best);
  }
}

TEST(FillBound, RoundsDownAlsoBelowZeroAndDoesNotOverflow) {
  const Entry entry{.cost = 3, .value = 2};
  EXPECT_EQ(FillBound(10, 4, entry), 12);
  EXPECT_EQ(FillBound(10, -4, entry), 7);
  EXPECT_EQ(FillBound(10, -3, entry), 8);
  EXPECT_EQ(FillBound(0, int64_t{1} << 60, {.cost = int64_t{1} << 61, .value = int64_t{1} << 59}), int64_t{1} << 58);
}

}  // namespace
}  // namespace greenplan
