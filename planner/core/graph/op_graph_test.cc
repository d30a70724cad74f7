#include "planner/core/graph/op_graph.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

ModelProfile SmallProfile(GraphShape shape, TestRandom& random) {
  const bool is_model = shape >= GraphShape::kDecoder;
  RandomProfileOptions options{.shape = shape, .with_blocks = random.Chance(0.5), .max_tensors = 7};
  options.size = is_model ? 1 + random.Below(2) : 1 + random.Below(14);
  return RandomProfile(options, random);
}

// What the graph's ops and items say that `mask` adds: every op that an item in it needs, and the item. Saved bytes and
// blocks as the graph holds them.
struct Added {
  MaskCost cost;
  std::vector<int64_t> block_costs;
};

Added AddedBy(const OpGraph& graph, const std::vector<bool>& mask, size_t num_blocks) {
  Added added{{}, std::vector<int64_t>(num_blocks, 0)};
  std::vector<bool> live(graph.size(), false);
  for (const OpGraph::HungItem& hung : graph.items) {
    if (!mask[hung.item.tensor]) continue;
    if (hung.op != kNone) live[hung.op] = true;
    added.cost.backward_cost += hung.item.cost;
    added.cost.saved_bytes += hung.item.saved_bytes;
    if (hung.item.block != kNone) added.block_costs[hung.item.block] += hung.item.cost;
  }
  for (int op = graph.size(); op-- > 0;) {
    if (!live[op]) continue;
    added.cost.backward_cost += graph.cost[op];
    added.cost.saved_bytes += graph.saved_bytes[op];
    for (int i = graph.parents_begin[op]; i < graph.parents_begin[op + 1]; ++i) live[graph.parents[i]] = true;
    for (const LiveSetTree::BlockCost& part : graph.BlockCostsOf(op)) {
      if (part.block != kNone) added.block_costs[part.block] += part.cost;
    }
  }
  return added;
}

// That the graph says of every set of its tensors what they add to the pinned ones by the definition of cost.
void ExpectTrue(const OpGraph& graph, const ModelProfile& profile, const std::vector<bool>& pinned) {
  const MaskCost base = EvaluateMask(profile, pinned);
  const std::vector<int64_t> base_blocks = BlockCosts(profile, pinned);
  for (uint32_t subset = 0; subset < (uint32_t{1} << graph.items.size()); ++subset) {
    std::vector<bool> mask(profile.tensors.size(), false);
    for (size_t i = 0; i < graph.items.size(); ++i) mask[graph.items[i].item.tensor] = (subset >> i) & 1;
    const Added added = AddedBy(graph, mask, profile.blocks.size());
    for (size_t k = 0; k < mask.size(); ++k) mask[k] = mask[k] || pinned[k];
    const MaskCost expected = EvaluateMask(profile, mask);
    EXPECT_EQ(base.backward_cost + added.cost.backward_cost, expected.backward_cost) << "subset " << subset;
    EXPECT_EQ(base.saved_bytes + added.cost.saved_bytes, expected.saved_bytes) << "subset " << subset;
    const std::vector<int64_t> expected_blocks = BlockCosts(profile, mask);
    for (size_t b = 0; b < base_blocks.size(); ++b) {
      EXPECT_EQ(base_blocks[b] + added.block_costs[b], expected_blocks[b]) << "block " << b << " subset " << subset;
    }
  }
}

void ExpectWellFormed(const OpGraph& graph) {
  ASSERT_EQ(graph.parents_begin.size(), static_cast<size_t>(graph.size()) + 1);
  for (int op = 0; op < graph.size(); ++op) {
    for (int i = graph.parents_begin[op]; i < graph.parents_begin[op + 1]; ++i) {
      EXPECT_LT(graph.parents[i], op);
      EXPECT_TRUE(i == graph.parents_begin[op] || graph.parents[i - 1] < graph.parents[i]) << "op " << op;
    }
  }
}

constexpr LiveSetOptions kEverything{.use_saved_bytes = true, .use_blocks = true};

class OpGraphOfRandomProfiles : public testing::TestWithParam<GraphShape> {};
INSTANTIATE_TEST_SUITE_P(Shapes, OpGraphOfRandomProfiles, testing::ValuesIn(kAllShapes));

TEST_P(OpGraphOfRandomProfiles, SaysWhatEverySetOfTensorsAdds) {
  for (int seed = 0; seed < 300 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const ModelProfile profile = SmallProfile(GetParam(), random);
    std::vector<bool> pinned, excluded;
    for (size_t k = 0; k < profile.tensors.size(); ++k) {
      pinned.push_back(random.Chance(0.1));
      excluded.push_back(pinned[k] || random.Chance(0.1));
    }
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    WorkMeter unlimited;
    const OpGraph graph = MakeOpGraph(profile, LiveOps(profile, pinned), excluded, kEverything, unlimited);
    ExpectWellFormed(graph);
    size_t num_free = 0;
    for (const bool is_out : excluded) num_free += !is_out;
    EXPECT_EQ(graph.items.size(), num_free);
    ExpectTrue(graph, profile, pinned);
  }
}

// With some tensors pinned, what they make live is settled and the rest is as if made so at once.
TEST_P(OpGraphOfRandomProfiles, IsInducedByWhatIsLeftUndecided) {
  for (int seed = 0; seed < 300 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const ModelProfile profile = SmallProfile(GetParam(), random);
    std::vector<bool> pinned;
    for (size_t k = 0; k < profile.tensors.size(); ++k) pinned.push_back(random.Chance(0.2));
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const std::vector<bool> dead(profile.ops.size(), false);
    std::vector<bool> undecided = LiveOps(profile, pinned);
    undecided.flip();
    WorkMeter unlimited;
    const OpGraph whole = MakeOpGraph(profile, dead, std::vector<bool>(pinned.size(), false), kEverything, unlimited);
    const OpGraph left = Induced(whole, undecided);
    ExpectWellFormed(left);
    for (const OpGraph::HungItem& hung : left.items) EXPECT_TRUE(undecided[profile.tensors[hung.item.tensor].op]);
    ExpectTrue(left, profile, pinned);
  }
}

TEST_P(OpGraphOfRandomProfiles, ASectionIsWhatItsOpsInduceAndCopiesNoBlockCosts) {
  for (int seed = 0; seed < 300 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const ModelProfile profile = SmallProfile(GetParam(), random);
    WorkMeter unlimited;
    const OpGraph graph = MakeOpGraph(profile, std::vector<bool>(profile.ops.size(), false),
                                      std::vector<bool>(profile.tensors.size(), false), kEverything, unlimited);
    const int begin = random.Below(graph.size());
    const int end = begin + random.Below(graph.size() - begin + 1);
    std::vector<bool> keep(graph.size(), false);
    std::fill(keep.begin() + begin, keep.begin() + end, true);
    std::vector<int> items;
    for (int i = 0; i < static_cast<int>(graph.items.size()); ++i) {
      if (const int op = graph.items[i].op; op != kNone && keep[op]) items.push_back(i);
    }
    SCOPED_TRACE(absl::StrCat("seed ", seed, " ops ", begin, " to ", end));
    const OpGraph expected = Induced(graph, keep);
    const OpGraph section = Section(graph, begin, end, items);
    EXPECT_EQ(section.cost, expected.cost);
    EXPECT_EQ(section.saved_bytes, expected.saved_bytes);
    EXPECT_EQ(section.parents_begin, expected.parents_begin);
    EXPECT_EQ(section.parents, expected.parents);
    ASSERT_EQ(section.items.size(), expected.items.size());
    for (size_t i = 0; i < items.size(); ++i) {
      EXPECT_EQ(section.items[i].item.tensor, expected.items[i].item.tensor);
      EXPECT_EQ(section.items[i].op, expected.items[i].op);
    }
    for (int op = 0; op < section.size(); ++op) {
      EXPECT_EQ(&section.BlockCostsOf(op), &graph.BlockCostsOf(begin + op));
      EXPECT_EQ(&expected.BlockCostsOf(op), &graph.BlockCostsOf(begin + op));
    }
  }
}

TEST(OpGraph, AddsUpParallelEdges) {
  ModelProfile profile;
  profile.ops = {{.inputs = {{1, 3}, {1, 4}}}, {.cost = 5}};
  profile.tensors = {{.op = 1}};
  WorkMeter unlimited;
  const OpGraph graph = MakeOpGraph(profile, {false, false}, {false}, {}, unlimited);
  EXPECT_EQ(graph.cost, (std::vector<int64_t>{0, 12}));
  EXPECT_EQ(graph.parents, std::vector<int>{0});
}

TEST(OpGraph, HoldsNeitherLiveOpsNorTensorsWithoutAnOp) {
  ModelProfile profile;
  profile.ops = {{.inputs = {{1, 3}}}, {.cost = 5}};
  profile.tensors = {{.op = kNone}, {.op = 1}};
  WorkMeter unlimited;
  const OpGraph live = MakeOpGraph(profile, {true, true}, {false, false}, {}, unlimited);
  EXPECT_EQ(live.size(), 0);
  ASSERT_EQ(live.items.size(), 1u);
  EXPECT_EQ(live.items[0].item.tensor, 1);
  EXPECT_EQ(live.items[0].op, kNone);
  const OpGraph dead = MakeOpGraph(profile, {false, false}, {false, true}, {}, unlimited);
  EXPECT_EQ(dead.size(), 2);
  EXPECT_TRUE(dead.items.empty());
  EXPECT_FALSE(dead.has_blocks());
  EXPECT_EQ(Induced(dead, {false, false}).size(), 0);
}

}  // namespace
}  // namespace greenplan
