#include "planner/core/byte_limit/priced_live_sets.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/graph/live_sets.h"
#include "planner/core/testing/random_profiles.h"
#include "planner/core/testing/tree_enumeration.h"

namespace greenplan {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

LiveSetTree TreeOf(const ModelProfile& profile) {
  WorkMeter meter;
  return BuildLiveSets(profile, std::vector<bool>(profile.ops.size(), false),
                       std::vector<bool>(profile.tensors.size(), false), {.use_saved_bytes = true}, meter);
}

struct Problem {
  LiveSetTree tree;
  std::vector<int64_t> values;
  int64_t budget = 0;
  int64_t max_bytes = 0;
};

Problem RandomProblem(TestRandom& random, int max_tensors) {
  const GraphShape shape = kAllShapes[random.Below(std::size(kAllShapes))];
  const bool is_model = shape >= GraphShape::kDecoder;
  const int size = is_model ? 1 : 1 + random.Below(10);
  const ModelProfile profile =
      RandomProfile({.shape = shape, .size = size, .max_cost = 100, .max_tensors = max_tensors}, random);
  const MaskCost full = EvaluateMask(profile, FullMask(profile));
  Problem problem{TreeOf(profile), {}, random.Cost(full.backward_cost + 1), random.Cost(full.saved_bytes + 1)};
  for (size_t k = 0; k < profile.tensors.size(); ++k) problem.values.push_back(random.Below(1000) - 100);
  return problem;
}

int64_t BestWithin(const Problem& problem, int node) {
  const LiveSetTree::Node& at = problem.tree.nodes[node];
  return BestOfLiveSet(problem.tree, problem.values, node, problem.budget - at.cost,
                       problem.max_bytes - at.saved_bytes);
}

PricedLiveSets SetsOf(const Problem& problem) {
  WorkMeter unlimited;
  return PricedLiveSets(problem.tree, problem.values, problem.budget, problem.max_bytes, unlimited);
}

// Of every order of magnitude that can matter, and 0.
LimitPrices RandomPrices(TestRandom& random) {
  const auto draw = [&] { return random.Chance(0.15) ? 0 : std::exp2(14 * random.Unit() - 4); };
  const double cost = draw();
  return {cost, draw()};
}

TEST(PricedLiveSets, BoundEveryLiveSetAtAnyPrices) {
  WorkMeter unlimited;
  for (int seed = 0; seed < 400 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const Problem problem = RandomProblem(random, 8);
    const PricedLiveSets sets = SetsOf(problem);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::vector<std::vector<double>> bounds(8);
    for (std::vector<double>& at_prices : bounds) sets.BoundAll(RandomPrices(random), unlimited, at_prices);
    ASSERT_EQ(sets.num_live_sets(), static_cast<int>(problem.tree.nodes.size()));
    for (int l = 0; l < sets.num_live_sets(); ++l) {
      const auto best = static_cast<double>(BestWithin(problem, l));
      for (const std::vector<double>& at_prices : bounds) {
        EXPECT_EQ(at_prices[l] == -kInfinity, !sets.room(l).fits());
        EXPECT_TRUE(!sets.room(l).fits() || at_prices[l] >= best)
            << "live set " << l << ": " << at_prices[l] << ", " << best;
      }
    }
  }
}

TEST(PricedLiveSets, OfferWhatTheTreeDoesAtItsBestChoice) {
  for (int seed = 0; seed < 400 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const Problem problem = RandomProblem(random, 30);
    const PricedLiveSets sets = SetsOf(problem);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const LimitPrices prices = RandomPrices(random);
    for (int l = 0; l < sets.num_live_sets(); ++l) {
      const std::vector<int> items = sets.ItemsOf(l);
      for (int item : items) {
        const PricedLiveSets::Choice& none = sets.choices()[sets.item(item).choices_begin];
        EXPECT_EQ(none.value + none.cost + none.bytes + none.tensors, 0);
        const int best = sets.BestChoice(item, prices);
        for (int c = sets.item(item).choices_begin; c < sets.ChoicesEnd(item); ++c) {
          const PricedLiveSets::Choice& choice = sets.choices()[c];
          int64_t value = 0;
          for (int t = 0; t < sets.item(item).num_tensors; ++t) {
            if (((choice.tensors >> t) & 1) == 0) continue;
            value += problem.values[sets.item(item).tensors[t]];
            EXPECT_GT(problem.values[sets.item(item).tensors[t]], 0);
          }
          EXPECT_EQ(choice.value, value);
          EXPECT_LE(sets.ReducedValue(choice, prices), sets.ReducedValue(sets.choices()[best], prices));
        }
      }
    }
  }
}

LiveSetTree FlatTree(const std::vector<Item>& items) {
  LiveSetTree tree;
  tree.nodes.push_back({.subtree_end = 1});
  tree.items = items;
  return tree;
}

TEST(PricedLiveSets, HaveNoPriceWhereAllFitsAndNoItemWhereNothingIsWorthAnything) {
  WorkMeter unlimited;
  const LiveSetTree tree = FlatTree({{.tensor = 0, .cost = 3, .saved_bytes = 4}, {.tensor = 1}});
  const PricedLiveSets all(tree, {7, 8}, 3, 4, unlimited);
  EXPECT_EQ(all.BestPrices(0, unlimited).cost, 0);
  EXPECT_EQ(all.BestPrices(0, unlimited).bytes, 0);
  std::vector<double> bounds;
  all.BoundAll({}, unlimited, bounds);
  EXPECT_NEAR(bounds[0], 15, 1e-12);
  const PricedLiveSets worthless(tree, {0, -8}, 3, 4, unlimited);
  EXPECT_TRUE(worthless.ItemsOf(0).empty());
  EXPECT_EQ(worthless.BestPrices(0, unlimited).cost, 0);
}

TEST(PricedLiveSets, PriceOutWhatDoesNotFit) {
  WorkMeter unlimited;
  const LiveSetTree tree = FlatTree({{.tensor = 0, .cost = 3, .saved_bytes = 4}, {.tensor = 1}});
  std::vector<double> bounds;
  const PricedLiveSets no_cost(tree, {7, 8}, 0, 4, unlimited);
  no_cost.BoundAll(no_cost.BestPrices(0, unlimited), unlimited, bounds);
  EXPECT_NEAR(bounds[0], 8, 1e-4);
  const PricedLiveSets nothing(tree, {7, 8}, 0, -1, unlimited);
  nothing.BoundAll({1, 1}, unlimited, bounds);
  EXPECT_EQ(bounds[0], -kInfinity);
}

TEST(PricedLiveSets, NoPricesBoundALiveSetBetterThanItsBestPrices) {
  WorkMeter unlimited;
  for (int seed = 0; seed < 200 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const Problem problem = RandomProblem(random, 30);
    const PricedLiveSets sets = SetsOf(problem);
    std::vector<double> bounds;
    std::vector<double> least(sets.num_live_sets(), kInfinity);
    for (int i = 0; i < 1000; ++i) {
      sets.BoundAll(RandomPrices(random), unlimited, bounds);
      for (int l = 0; l < sets.num_live_sets(); ++l) least[l] = std::min(least[l], bounds[l]);
    }
    for (int l = 0; l < sets.num_live_sets(); ++l) {
      if (!sets.room(l).fits()) continue;
      const LimitPrices prices = sets.BestPrices(l, unlimited);
      sets.BoundAll(prices, unlimited, bounds);
      EXPECT_LE(bounds[l], least[l] * (1 + 1e-5) + 1e-9)
          << "seed " << seed << " live set " << l << " prices " << prices.cost << ", " << prices.bytes;
    }
  }
}

}  // namespace
}  // namespace greenplan
