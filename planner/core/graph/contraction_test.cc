#include "planner/core/graph/contraction.h"

#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

using Bundles = std::vector<Bundle>;

OpGraph Contracted(const OpGraph& graph, Bundles& bundles, int64_t work_limit = 100000000) {
  const StopFunction never;
  WorkMeter meter(work_limit, never);
  return Contract(graph, bundles, meter);
}

// (cost, saved bytes) of every subset of the tensors that a graph can select.
using PriceList = std::map<uint32_t, std::pair<int64_t, int64_t>>;

// Every combination of what the items offer, with the ops that it needs.
class PriceLister {
 public:
  PriceLister(const OpGraph& graph, const Bundles& bundles) : graph_(graph), bundles_(bundles) {}

  PriceList Run() {
    AddFrom(0, 0, {0, 0}, std::vector<bool>(graph_.size(), false));
    return std::move(prices_);
  }

 private:
  void AddFrom(size_t i, uint32_t subset, std::pair<int64_t, int64_t> price, std::vector<bool> live) {
    if (i == graph_.items.size()) {
      for (int op = graph_.size(); op-- > 0;) {
        if (!live[op]) continue;
        price.first += graph_.cost[op];
        price.second += graph_.saved_bytes[op];
        for (int p = graph_.parents_begin[op]; p < graph_.parents_begin[op + 1]; ++p) live[graph_.parents[p]] = true;
      }
      EXPECT_TRUE(prices_.insert({subset, price}).second) << "two ways to select " << subset;
      return;
    }
    AddFrom(i + 1, subset, price, live);
    const OpGraph::HungItem& hung = graph_.items[i];
    if (hung.op != kNone) live[hung.op] = true;
    Bundle bundle{{hung.item.tensor}, {{hung.item.cost, hung.item.saved_bytes, 1}}};
    if (hung.item.bundle != kNone) bundle = bundles_[hung.item.bundle];
    for (const Bundle::Option& option : bundle.options) {
      uint32_t added = 0;
      for (size_t t = 0; t < bundle.tensors.size(); ++t) added |= ((option.tensors >> t) & 1) << bundle.tensors[t];
      AddFrom(i + 1, subset | added, {price.first + option.cost, price.second + option.saved_bytes}, live);
    }
  }

  const OpGraph& graph_;
  const Bundles& bundles_;
  PriceList prices_;
};

PriceList PricesOf(const OpGraph& graph, const Bundles& bundles) { return PriceLister(graph, bundles).Run(); }

OpGraph GraphOf(const ModelProfile& profile, const LiveSetOptions& options) {
  WorkMeter unlimited;
  return MakeOpGraph(profile, std::vector<bool>(profile.ops.size(), false),
                     std::vector<bool>(profile.tensors.size(), false), options, unlimited);
}

OpGraph RandomGraph(GraphShape shape, const LiveSetOptions& graph_options, TestRandom& random) {
  const bool is_model = shape >= GraphShape::kDecoder;
  RandomProfileOptions options{.shape = shape, .with_blocks = random.Chance(0.5), .max_tensors = 8};
  options.size = is_model ? 1 + random.Below(2) : 1 + random.Below(14);
  options.free_share = random.Chance(0.5) ? 0.2 : 0.6;
  return GraphOf(RandomProfile(options, random), graph_options);
}

class ContractionOfRandomGraphs : public testing::TestWithParam<GraphShape> {};
INSTANTIATE_TEST_SUITE_P(Shapes, ContractionOfRandomGraphs, testing::ValuesIn(kAllShapes));

TEST_P(ContractionOfRandomGraphs, KeepsWhatCanBeSelectedAtWhichPrice) {
  int num_bundles = 0;
  for (int seed = 0; seed < 500 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const LiveSetOptions options{.use_saved_bytes = random.Chance(0.5), .use_blocks = random.Chance(0.5)};
    const OpGraph graph = RandomGraph(GetParam(), options, random);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const PriceList expected = PricesOf(graph, {});
    Bundles bundles;
    const OpGraph contracted = Contracted(graph, bundles);
    EXPECT_EQ(PricesOf(contracted, bundles), expected);
    num_bundles += static_cast<int>(bundles.size());
    EXPECT_EQ(PricesOf(Contracted(contracted, bundles), bundles), expected);
    Bundles of_stopped;
    EXPECT_EQ(PricesOf(Contracted(graph, of_stopped, random.Below(20)), of_stopped), expected);
  }
  EXPECT_GT(num_bundles, 50);
}

TEST_P(ContractionOfRandomGraphs, LeavesNoOpThatServesNothingOrOneTensorAlone) {
  for (int seed = 0; seed < 500 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const OpGraph graph = RandomGraph(GetParam(), {}, random);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Bundles bundles;
    const OpGraph left = Contracted(graph, bundles);
    std::vector<int> children(left.size(), 0), items(left.size(), 0);
    for (int parent : left.parents) ++children[parent];
    for (const OpGraph::HungItem& hung : left.items) {
      if (hung.op != kNone) ++items[hung.op];
    }
    for (int op = 0; op < left.size(); ++op) {
      const int num_parents = left.parents_begin[op + 1] - left.parents_begin[op];
      EXPECT_TRUE(left.cost[op] > 0 || num_parents > 1) << "a free op " << op;
      EXPECT_TRUE(children[op] > 0 || items[op] > 0) << "op " << op << " serves nothing";
      EXPECT_TRUE(children[op] > 0 || items[op] > 1 || num_parents > 1) << "op " << op << " serves one item";
    }
  }
}

TEST(Contraction, FoldsAChainOfOneTensorIntoItsCost) {
  ModelProfile profile;
  profile.ops = {{.cost = 1, .inputs = {{1, 2}}}, {.cost = 4, .inputs = {{2, 8}}}, {.cost = 16}};
  profile.tensors = {{.op = 2, .weight_grad_cost = 32}};
  Bundles bundles;
  const OpGraph left = Contracted(GraphOf(profile, {}), bundles);
  EXPECT_EQ(left.size(), 0);
  EXPECT_TRUE(bundles.empty());
  ASSERT_EQ(left.items.size(), 1u);
  EXPECT_EQ(left.items[0].item.cost, 63);
  EXPECT_EQ(left.items[0].op, kNone);
}

TEST(Contraction, LeavesAnOpThatServesManyTensors) {
  ModelProfile profile;
  profile.ops = {{.cost = 1}};
  profile.tensors.assign(40, {.op = 0, .weight_grad_cost = 1});
  Bundles bundles;
  const OpGraph left = Contracted(GraphOf(profile, {}), bundles);
  EXPECT_EQ(left.size(), 1);
  EXPECT_EQ(left.items.size(), 40u);
  EXPECT_TRUE(bundles.empty());
}

TEST(Contraction, LeavesNothingWhereNothingCanBeSelected) {
  TestRandom random(1);
  const ModelProfile profile = RandomProfile({.shape = GraphShape::kDecoder, .free_share = 0}, random);
  WorkMeter unlimited;
  const OpGraph graph = MakeOpGraph(profile, std::vector<bool>(profile.ops.size(), false),
                                    std::vector<bool>(profile.tensors.size(), true), {}, unlimited);
  Bundles bundles;
  EXPECT_EQ(Contracted(graph, bundles).size(), 0);
  EXPECT_EQ(Contracted(Contracted(graph, bundles), bundles).size(), 0);
  EXPECT_TRUE(bundles.empty());
}

}  // namespace
}  // namespace greenplan
