#include "planner/core/graph/live_sets.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/testing/random_profiles.h"
#include "planner/core/testing/small_stack.h"
#include "planner/core/work_meter.h"

namespace greenplan {
namespace {

// What a tree is built for.
struct Request {
  ModelProfile profile;
  std::vector<bool> pinned;    // [num_tensors]
  std::vector<bool> excluded;  // [num_tensors] Holds the pinned ones.
  LiveSetOptions options;
};

LiveSetTree TreeOf(const Request& request, int64_t work_limit = 100000000) {
  const StopFunction never;
  WorkMeter meter(work_limit, never);
  return BuildLiveSets(request.profile, LiveOps(request.profile, request.pinned), request.excluded, request.options,
                       meter);
}

Request RandomRequest(GraphShape shape, TestRandom& random) {
  const bool is_model = shape >= GraphShape::kDecoder;
  RandomProfileOptions options{.shape = shape, .with_blocks = random.Chance(0.5), .max_tensors = 7};
  options.size = is_model ? 1 + random.Below(3) : 1 + random.Below(25);
  options.free_share = random.Chance(0.5) ? 0.1 : 0.5;
  Request request{RandomProfile(options, random), {}, {}, {}};
  const bool with_pins = random.Chance(0.3);
  for (size_t k = 0; k < request.profile.tensors.size(); ++k) {
    request.pinned.push_back(with_pins && random.Chance(0.2));
    request.excluded.push_back(request.pinned[k] || random.Chance(0.05));
  }
  if (random.Chance(0.1)) request.profile.tensors[0].op = kNone;
  request.pinned[0] = request.pinned[0] && request.profile.tensors[0].op != kNone;
  request.options.use_saved_bytes = random.Chance(0.5);
  request.options.use_blocks = random.Chance(0.5);
  return request;
}

// Cost, saved bytes, and the cost of each block; 0 for what the options leave out.
using Price = std::vector<int64_t>;

Price PriceOf(const Request& request, int64_t cost, int64_t bytes) {
  Price price(2 + request.profile.blocks.size(), 0);
  price[0] = cost;
  if (request.options.use_saved_bytes) price[1] = bytes;
  return price;
}

// By definition: of `subset` and the pinned tensors, without the weight gradients of these.
Price TruePrice(const Request& request, uint32_t subset) {
  const ModelProfile& profile = request.profile;
  std::vector<bool> mask = request.pinned;
  for (size_t k = 0; k < mask.size(); ++k) mask[k] = mask[k] || ((subset >> k) & 1) != 0;
  const MaskCost cost = EvaluateMask(profile, mask);
  const std::vector<int64_t> block_costs = BlockCosts(profile, mask);
  Price price = PriceOf(request, cost.backward_cost, cost.saved_bytes);
  for (size_t b = 0; request.options.use_blocks && b < block_costs.size(); ++b) price[2 + b] = block_costs[b];
  for (size_t k = 0; k < mask.size(); ++k) {
    if (!request.pinned[k]) continue;
    const Tensor& tensor = profile.tensors[k];
    price[0] -= tensor.weight_grad_cost;
    if (request.options.use_saved_bytes) price[1] -= tensor.saved_bytes;
    if (const int block = profile.ops[tensor.op].block; request.options.use_blocks && block != kNone) {
      price[2 + block] -= tensor.weight_grad_cost;
    }
  }
  return price;
}

// Every subset of the tensors that a node can select, at the tree's price.
std::map<uint32_t, Price> SoldAt(const Request& request, const LiveSetTree& tree, int node) {
  Price base = PriceOf(request, tree.nodes[node].cost, tree.nodes[node].saved_bytes);
  std::map<uint32_t, Price> sold;
  const auto is_on_path = [&](int at) { return at <= node && node < tree.nodes[at].subtree_end; };
  for (int at = 0; at <= node; ++at) {
    for (int i = tree.nodes[at].block_costs_begin; is_on_path(at) && i < tree.BlockCostsEnd(at); ++i) {
      if (tree.block_costs[i].block != kNone) base[2 + tree.block_costs[i].block] += tree.block_costs[i].cost;
    }
  }
  sold[0] = base;
  for (int at = 0; at <= node; ++at) {
    for (int i = tree.nodes[at].items_begin; is_on_path(at) && i < tree.ItemsEnd(at); ++i) {
      const Item& item = tree.items[i];
      Bundle bundle{.tensors = {item.tensor}, .options = {{item.cost, item.saved_bytes, 1}}};
      if (item.bundle != kNone) bundle = tree.bundles[item.bundle];
      std::map<uint32_t, Price> grown = sold;
      for (const Bundle::Option& option : bundle.options) {
        uint32_t subset = 0;
        for (size_t t = 0; t < bundle.tensors.size(); ++t) subset |= ((option.tensors >> t) & 1) << bundle.tensors[t];
        for (const auto& [before, price] : sold) {
          EXPECT_EQ(before & subset, 0u) << "a tensor twice on the path to node " << node;
          Price& added = grown[before | subset] = price;
          added[0] += option.cost;
          added[1] += option.saved_bytes;
          if (item.block != kNone) added[2 + item.block] += option.cost;
        }
      }
      sold = std::move(grown);
    }
  }
  return sold;
}

bool IsAtLeast(const Price& a, const Price& b) {
  return std::equal(a.begin(), a.end(), b.begin(), std::greater_equal<>());
}

bool MaySelect(const Request& request, uint32_t subset) {
  for (size_t k = 0; k < request.excluded.size(); ++k) {
    const bool is_out = request.excluded[k] || request.profile.tensors[k].op == kNone;
    if (is_out && ((subset >> k) & 1) != 0) return false;
  }
  return true;
}

// Every subset that may be selected is sold by some node at its price, and by none for less; a relaxed node may.
void ExpectTrue(const Request& request, const LiveSetTree& tree) {
  std::map<uint32_t, bool> is_sold;
  for (int node = 0; node < static_cast<int>(tree.nodes.size()); ++node) {
    for (const auto& [subset, price] : SoldAt(request, tree, node)) {
      const Price expected = TruePrice(request, subset);
      EXPECT_TRUE(tree.nodes[node].relaxed || IsAtLeast(price, expected)) << "subset " << subset << " node " << node;
      is_sold[subset] |= IsAtLeast(expected, price);
    }
  }
  for (uint32_t subset = 0; subset < (uint32_t{1} << request.excluded.size()); ++subset) {
    EXPECT_EQ(is_sold.count(subset), MaySelect(request, subset) ? 1u : 0u) << "subset " << subset;
    EXPECT_TRUE(!MaySelect(request, subset) || is_sold[subset]) << "subset " << subset;
  }
}

class LiveSetsOnRandomGraphs : public testing::TestWithParam<GraphShape> {};
INSTANTIATE_TEST_SUITE_P(Shapes, LiveSetsOnRandomGraphs, testing::ValuesIn(kAllShapes));

TEST_P(LiveSetsOnRandomGraphs, SellEverySubsetAtItsPriceAndNoneForLess) {
  for (int seed = 0; seed < 400 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const Request request = RandomRequest(GetParam(), random);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const LiveSetTree tree = TreeOf(request);
    for (const LiveSetTree::Node& node : tree.nodes) EXPECT_FALSE(node.relaxed);
    ExpectTrue(request, tree);
  }
}

TEST(LiveSets, AreBoundedByRelaxedNodesWhereNodesOrWorkRunOut) {
  int num_relaxed = 0;
  for (int seed = 0; seed < 600 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    Request request = RandomRequest(random.Chance(0.5) ? GraphShape::kDag : GraphShape::kEncoderDecoder, random);
    const bool lacks_work = random.Chance(0.5);
    if (!lacks_work) request.options.max_nodes = 1 + random.Below(4);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const LiveSetTree tree = TreeOf(request, lacks_work ? random.Below(400) : 100000000);
    for (const LiveSetTree::Node& node : tree.nodes) num_relaxed += node.relaxed;
    ExpectTrue(request, tree);
  }
  EXPECT_GT(num_relaxed, 20);
}

TEST(LiveSets, EndInOneRelaxedNodeBelowTheSameRootIfStopped) {
  TestRandom random(2);
  Request request{RandomProfile({.shape = GraphShape::kDecoder, .size = 300, .with_blocks = true}, random), {}, {}, {}};
  request.options.use_blocks = true;
  size_t num_free = 0;
  for (size_t k = 0; k < request.profile.tensors.size(); ++k) {
    const bool has_op = request.profile.tensors[k].op != kNone;
    request.pinned.push_back(has_op && random.Chance(0.001));
    request.excluded.push_back(request.pinned[k] || random.Chance(0.1));
    num_free += has_op && !request.excluded[k];
  }
  const LiveSetTree whole = TreeOf(request);
  int questions = 0;
  for (const int stop_at : {1, 2, 4, 8}) {
    SCOPED_TRACE(stop_at);
    questions = 0;
    const StopFunction should_stop = [&] { return ++questions >= stop_at; };
    WorkMeter meter(100000000, should_stop);
    const LiveSetTree tree = BuildLiveSets(request.profile, LiveOps(request.profile, request.pinned), request.excluded,
                                           request.options, meter);
    ASSERT_TRUE(meter.stopped());
    EXPECT_EQ(questions, stop_at);
    EXPECT_FALSE(tree.is_complete);
    ASSERT_EQ(tree.nodes.size(), 2u);
    EXPECT_EQ(tree.nodes[0].cost, whole.nodes[0].cost);
    EXPECT_EQ(tree.BlockCostsEnd(0), whole.BlockCostsEnd(0));
    EXPECT_EQ(tree.BlockCostsEnd(1), tree.BlockCostsEnd(0));
    EXPECT_EQ(tree.nodes[0].subtree_end, 2);
    EXPECT_TRUE(tree.nodes[1].relaxed);
    EXPECT_EQ(tree.nodes[1].cost, tree.nodes[0].cost);
    EXPECT_EQ(tree.items.size(), num_free);
    EXPECT_EQ(tree.nodes[1].items_begin, 0);
  }
}

TEST(LiveSets, AreAboutOnePerOpInADecoder) {
  TestRandom random(1);
  const ModelProfile profile = RandomProfile({.shape = GraphShape::kDecoder, .size = 40, .free_share = 0}, random);
  const std::vector<bool> none(profile.tensors.size(), false);
  const size_t num_nodes = TreeOf({profile, none, none, {}}).nodes.size();
  EXPECT_GT(num_nodes, 40u);
  EXPECT_LT(num_nodes, 2 * profile.ops.size());
}

TEST(LiveSets, AreTheRootAloneWhereNothingIsToBeChosen) {
  TestRandom random(1);
  const Request costly{RandomProfile({.shape = GraphShape::kDecoder, .free_share = 0}, random), {}, {}, {}};
  Request request = costly;
  const std::vector<bool> none(request.profile.tensors.size(), false), all(request.profile.tensors.size(), true);

  request.pinned = none;
  request.excluded = all;
  const LiveSetTree excluded = TreeOf(request);
  ASSERT_EQ(excluded.nodes.size(), 1u);
  EXPECT_EQ(excluded.nodes[0].cost, 0);
  EXPECT_TRUE(excluded.items.empty());

  request.excluded = none;
  for (Op& op : request.profile.ops) {
    op.cost = 0;
    for (Edge& edge : op.inputs) edge.cost = 0;
  }
  const LiveSetTree free = TreeOf(request);
  EXPECT_EQ(free.nodes.size(), 1u);
  EXPECT_EQ(free.items.size(), none.size());

  const LiveSetTree pinned = TreeOf({costly.profile, all, all, {}});
  ASSERT_EQ(pinned.nodes.size(), 1u);
  int64_t weight_grads = 0;
  for (const Tensor& tensor : costly.profile.tensors) weight_grads += tensor.weight_grad_cost;
  EXPECT_EQ(pinned.nodes[0].cost + weight_grads, EvaluateMask(costly.profile, all).backward_cost);
}

// `width` ops side by side below the loss, each with `tensors_per_op` tensors: too many for a bundle.
Request Wide(int width, int tensors_per_op) {
  Request request;
  request.profile.ops.resize(width + 1);
  for (int op = 1; op <= width; ++op) {
    request.profile.ops[0].inputs.push_back({op, 1});
    request.profile.ops[op].cost = 100 + op % 13;
    for (int t = 0; t < tensors_per_op; ++t) request.profile.tensors.push_back({.op = op, .weight_grad_cost = 50 + t});
  }
  request.pinned.assign(request.profile.tensors.size(), false);
  request.excluded = request.pinned;
  return request;
}

// Each relaxed node once held a copy of all that was left: gigabytes.
TEST(BuildLiveSets, KeepsTheMemoryThatItMayTakeAndGivesItBack) {
  constexpr int64_t kBytes = int64_t{32} << 20;
  const Request request = Wide(3000, 7);
  const StopFunction never;
  WorkMeter meter(20'000'000, never, kBytes);
  const LiveSetTree tree = BuildLiveSets(request.profile, LiveOps(request.profile, request.pinned), request.excluded,
                                         request.options, meter);
  EXPECT_FALSE(tree.is_complete);
  EXPECT_LE(tree.SearchBytes(), kBytes);
  EXPECT_LE(tree.MemoryBytes(), kBytes);
  EXPECT_TRUE(meter.TakeBytes(kBytes));
  // The node that stands for the rest selects among all tensors.
  const int rest = static_cast<int>(tree.nodes.size()) - 1;
  EXPECT_TRUE(tree.nodes[rest].relaxed);
  EXPECT_EQ(tree.ItemsEnd(rest) - tree.nodes[rest].items_begin, 21000);
}

// Each stretch of 7 ops side by side is contracted by itself. That once looked at the whole graph.
TEST(BuildLiveSets, TakesWorkInProportionToTheNumberOfStretches) {
  constexpr int kWidth = 7;
  const auto work_of = [](int num_stretches) {
    Request request;
    request.profile.ops.resize(1 + num_stretches * (kWidth + 1));
    for (int top = 0; top + 1 < static_cast<int>(request.profile.ops.size()); top += kWidth + 1) {
      const int end = top + kWidth + 1;
      for (int op = top + 1; op < end; ++op) {
        request.profile.ops[top].inputs.push_back({op, 1});
        request.profile.ops[op] = {.cost = 100 + op % 13, .inputs = {{end, 1}}};
        request.profile.tensors.push_back({.op = op, .weight_grad_cost = 50});
      }
      request.profile.ops[end].cost = 10;
      request.profile.tensors.push_back({.op = end, .weight_grad_cost = 50});
    }
    request.pinned.assign(request.profile.tensors.size(), false);
    request.excluded = request.pinned;
    constexpr int64_t kWork = int64_t{1} << 40;
    const StopFunction never;
    WorkMeter meter(kWork, never);
    const LiveSetTree tree = BuildLiveSets(request.profile, LiveOps(request.profile, request.pinned), request.excluded,
                                           request.options, meter);
    EXPECT_TRUE(tree.is_complete);
    return kWork - meter.left();
  };
  EXPECT_LT(work_of(400), 4.2 * static_cast<double>(work_of(100)));
}

// A stretch within a stretch within a stretch: op i of the first half is a parent of op i + 1 and of the op that
// mirrors it, and has an op of its own.
Request Nested(int depth) {
  Request request;
  request.profile.ops.resize(3 * depth);
  const auto add = [&](int from, int to) {
    request.profile.ops[from].inputs.push_back({to, 1});
    request.profile.ops[to].cost = to % 7 + 1;
  };
  for (int i = 0; i + 1 < 2 * depth; ++i) add(i, i + 1);
  for (int i = 0; i < depth; ++i) {
    add(i, 2 * depth - 1 - i);
    add(i, 2 * depth + i);
  }
  for (int op = 0; op < 3 * depth; ++op) {
    for (int t = 0; t < 7; ++t) request.profile.tensors.push_back({.op = op, .weight_grad_cost = 1 + t});
  }
  request.pinned.assign(request.profile.tensors.size(), false);
  request.excluded = request.pinned;
  return request;
}

TEST(BuildLiveSets, NeedsNoStackHoweverDeepTheGraph) {
  std::vector<Request> requests;
  requests.push_back(Nested(1000));
  requests.push_back(Wide(2000, 7));
  ModelProfile chain;
  chain.ops.resize(100000);
  for (int op = 0; op + 1 < 100000; ++op) chain.ops[op] = {.cost = 1, .inputs = {{op + 1, 1}}};
  for (int op = 0; op < 100000; op += 10) chain.tensors.push_back({.op = op, .weight_grad_cost = 3});
  const std::vector<bool> none(chain.tensors.size(), false);
  requests.push_back({std::move(chain), none, none, {}});
  for (const Request& request : requests) {
    RunOnSmallStack([&] {
      const LiveSetTree tree = TreeOf(request, 20'000'000);
      for (const LiveSetTree::Node& node : tree.nodes) ASSERT_GT(node.subtree_end, &node - tree.nodes.data());
    });
  }
}

}  // namespace
}  // namespace greenplan
