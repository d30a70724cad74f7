#include "planner/core/knapsack/ranking.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/core/graph/live_sets.h"
#include "planner/core/testing/random_profiles.h"
#include "planner/core/work_meter.h"

namespace greenplan {
namespace {

using Entry = Ranking::Entry;
using Option = Ranking::Option;

LiveSetTree TreeOf(const ModelProfile& profile, const LiveSetOptions& options) {
  const StopFunction never;
  WorkMeter meter(100000000, never);
  return BuildLiveSets(profile, std::vector<bool>(profile.ops.size(), false),
                       std::vector<bool>(profile.tensors.size(), false), options, meter);
}

// A tree of one live set that can select one tensor at each cost.
LiveSetTree FlatTree(const std::vector<int64_t>& costs) {
  LiveSetTree tree;
  tree.nodes.push_back({.subtree_end = 1});
  for (size_t k = 0; k < costs.size(); ++k) {
    tree.items.push_back({.tensor = static_cast<int>(k), .cost = costs[k]});
  }
  return tree;
}

bool HasLowerRatio(const Entry& a, const Entry& b) {
  return static_cast<__int128>(a.value) * b.cost < static_cast<__int128>(b.value) * a.cost;
}

// Entries by falling ratio, each known by its node at its rank.
void ExpectOrdered(const Ranking& ranking) {
  const std::vector<Entry>& entries = ranking.entries();
  for (size_t rank = 1; rank < entries.size(); ++rank) {
    EXPECT_FALSE(HasLowerRatio(entries[rank - 1], entries[rank])) << "rank " << rank;
  }
  const int num_nodes = static_cast<int>(ranking.tree().nodes.size());
  std::vector<bool> seen(entries.size(), false);
  for (int node = 0; node < num_nodes; ++node) {
    for (const int rank : ranking.RanksOf(node)) {
      EXPECT_EQ(entries[rank].node, node);
      EXPECT_EQ(entries[rank].node_end, ranking.tree().nodes[node].subtree_end);
      EXPECT_FALSE(seen[rank]);
      seen[rank] = true;
    }
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), false), 0);
}

TEST(Ranking, OrdersExactlyWhereDoubleRatiosTie) {
  TestRandom random(1);
  std::vector<int64_t> costs;
  for (int k = 0; k < 400; ++k) costs.push_back((int64_t{1} << 60) + random.Below(100));
  const LiveSetTree tree = FlatTree(costs);
  WorkMeter unlimited;
  const Ranking ranking(tree, std::vector<int64_t>(costs.size(), int64_t{1} << 52), unlimited);
  ExpectOrdered(ranking);
  const Entry& first = ranking.entries().front();
  const Entry& last = ranking.entries().back();
  EXPECT_TRUE(HasLowerRatio(last, first));
  EXPECT_EQ(static_cast<double>(first.value) / static_cast<double>(first.cost),
            static_cast<double>(last.value) / static_cast<double>(last.cost));
}

// The value of the tensors of `subset`, or -1 if one of them is worth nothing.
int64_t ValueOf(const std::vector<int>& tensors, uint32_t subset, const std::vector<int64_t>& values) {
  int64_t sum = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (((subset >> i) & 1) == 0) continue;
    if (values[tensors[i]] <= 0) return -1;
    sum += values[tensors[i]];
  }
  return sum;
}

// Options rise from selecting nothing, are what the tensors are worth, and leave nothing better out.
void ExpectOptionsOf(const Bundle& from, const Ranking::RankedBundle* bundle, const std::vector<int64_t>& values) {
  const std::vector<Option> options = bundle == nullptr ? std::vector<Option>{{}} : bundle->options;
  EXPECT_EQ(options[0].value, 0);
  EXPECT_EQ(options[0].tensors, 0u);
  for (size_t i = 1; i < options.size(); ++i) {
    EXPECT_GE(options[i].cost, options[i - 1].cost);
    EXPECT_GT(options[i].value, options[i - 1].value);
    EXPECT_EQ(options[i].value, ValueOf(from.tensors, options[i].tensors, values));
  }
  for (const Bundle::Option& option : from.options) {
    const int64_t value = ValueOf(from.tensors, option.tensors, values);
    const auto matches = [&](const Option& kept) { return kept.cost <= option.cost && kept.value >= value; };
    EXPECT_TRUE(std::any_of(options.begin(), options.end(), matches)) << "subset " << option.tensors;
    for (const Option& kept : options) {
      EXPECT_TRUE(kept.tensors != option.tensors || kept.cost == option.cost);
    }
  }
}

// The steps of `bundle` lead in ranking order from option to option, and no option lies above them.
void ExpectHull(const Ranking& ranking, int bundle) {
  const std::vector<Option>& options = ranking.bundles()[bundle].options;
  Option at = options[0];
  for (const Entry& step : ranking.entries()) {
    if (step.bundle != bundle) continue;
    for (const Option& option : options) {
      const __int128 rise = option.value - at.value, run = option.cost - at.cost;
      EXPECT_LE(rise * step.cost, run * step.value) << "bundle " << bundle;
    }
    at.cost += step.cost;
    at.value += step.value;
    EXPECT_EQ(options[step.option].cost, at.cost);
    EXPECT_EQ(options[step.option].value, at.value);
  }
  EXPECT_EQ(at.value, options.back().value);
}

TEST(Ranking, HoldsEveryItemOfATreeOnceAndTheHullOfEveryBundle) {
  int num_bundles = 0;
  for (int seed = 0; seed < 500; ++seed) {
    for (GraphShape shape : kAllShapes) {
      TestRandom random(seed);
      const bool is_model = shape >= GraphShape::kDecoder;
      const ModelProfile profile =
          RandomProfile({.shape = shape, .size = is_model ? 1 : 12, .max_cost = random.Chance(0.5) ? 6 : 1000}, random);
      std::vector<int64_t> values;
      for (size_t k = 0; k < profile.tensors.size(); ++k) values.push_back(random.Below(12) - 2);
      // Where bytes matter a bundle may hold what is free.
      const LiveSetTree tree = TreeOf(profile, {.use_saved_bytes = random.Chance(0.5)});
      WorkMeter unlimited;
      const Ranking ranking(tree, values, unlimited);
      SCOPED_TRACE(absl::StrCat("seed ", seed, " shape ", static_cast<int>(shape)));
      ExpectOrdered(ranking);
      int64_t total = 0;
      for (int64_t value : values) total += std::max<int64_t>(0, value);
      EXPECT_EQ(ranking.total_value(), total);
      size_t singles = 0;
      for (const Item& item : tree.items) {
        if (item.bundle == kNone) {
          singles += values[item.tensor] > 0;
          continue;
        }
        const Bundle& from = tree.bundles[item.bundle];
        const auto same = [&](const Ranking::RankedBundle& bundle) { return bundle.tensors == &from.tensors; };
        const auto found = std::find_if(ranking.bundles().begin(), ranking.bundles().end(), same);
        ExpectOptionsOf(from, found == ranking.bundles().end() ? nullptr : &*found, values);
      }
      for (int b = 0; b < static_cast<int>(ranking.bundles().size()); ++b) ExpectHull(ranking, b);
      num_bundles += static_cast<int>(ranking.bundles().size());
      for (const Entry& entry : ranking.entries()) singles -= entry.bundle == kNone;
      EXPECT_EQ(singles, 0u);
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(num_bundles, 1000);
}

TEST(Ranking, AnEntryIsAvailableInTheSubtreeOfItsNode) {
  LiveSetTree tree;
  for (const int end : {4, 3, 3, 4}) {
    const int node = static_cast<int>(tree.nodes.size());
    tree.nodes.push_back({.subtree_end = end, .items_begin = node});
    tree.items.push_back({.tensor = node, .cost = 1});
  }
  WorkMeter unlimited;
  const Ranking ranking(tree, {4, 3, 2, 1}, unlimited);
  const std::vector<Entry>& entries = ranking.entries();
  for (int node = 0; node < 4; ++node) {
    EXPECT_TRUE(entries[0].IsAvailableTo(node)) << node;
    EXPECT_EQ(entries[1].IsAvailableTo(node), node == 1 || node == 2) << node;
    EXPECT_EQ(entries[2].IsAvailableTo(node), node == 2) << node;
    EXPECT_EQ(entries[3].IsAvailableTo(node), node == 3) << node;
  }
}

TEST(Ranking, PutsWhatIsFreeFirst) {
  const LiveSetTree tree = FlatTree({1, 0, 1, 0});
  WorkMeter unlimited;
  const Ranking ranking(tree, {int64_t{1} << 60, 1, 2, 1}, unlimited);
  ASSERT_EQ(ranking.entries().size(), 4u);
  EXPECT_EQ(ranking.entries()[0].cost, 0);
  EXPECT_EQ(ranking.entries()[1].cost, 0);
  EXPECT_EQ(ranking.entries()[2].tensor, 0);
}

// Ratios that differ by less than a double tells apart, in the wrong order: moving each into its place one by one would
// take the square of their number.
TEST(Ranking, SortsRatiosThatNoDoubleTellsApart) {
  constexpr int kCount = 50000;
  constexpr int64_t kUnit = 1 << 20;
  std::vector<int64_t> costs, values;
  for (int64_t i = 0; i < kCount; ++i) {
    const int64_t factor = kUnit + kCount - i;  // The ratio rises with i, by about 2^-80.
    costs.push_back(factor * kUnit);
    values.push_back(factor * (kUnit + 1) + 1);
  }
  const LiveSetTree tree = FlatTree(costs);
  WorkMeter unlimited;
  const Ranking ranking(tree, values, unlimited);
  for (int rank = 0; rank < kCount; ++rank) {
    ASSERT_EQ(ranking.entries()[rank].tensor, kCount - 1 - rank);
  }
}

TEST(Ranking, IsEmptyWhereNothingIsWorthAnything) {
  LiveSetTree tree = FlatTree({3, 0});
  tree.bundles.push_back({.tensors = {0, 1}, .options = {{1, 0, 1}, {0, 0, 2}, {1, 0, 3}}});
  tree.items.push_back({.bundle = 0});
  WorkMeter unlimited;
  const Ranking ranking(tree, {0, -5}, unlimited);
  EXPECT_EQ(ranking.total_value(), 0);
  EXPECT_TRUE(ranking.entries().empty());
  EXPECT_TRUE(ranking.bundles().empty());
  EXPECT_TRUE(ranking.RanksOf(0).empty());
}

}  // namespace
}  // namespace greenplan
