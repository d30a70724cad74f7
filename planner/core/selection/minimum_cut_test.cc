#include "planner/core/selection/minimum_cut.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

template <typename Amount>
class MinimumCutTest : public testing::Test {};
using Amounts = testing::Types<int64_t, __int128>;
TYPED_TEST_SUITE(MinimumCutTest, Amounts);

OpGraph RandomGraph(int num_ops, TestRandom& random) {
  OpGraph graph;
  graph.cost.assign(num_ops, 0);
  graph.parents_begin.push_back(0);
  for (int op = 0; op < num_ops; ++op) {
    for (int parent = 0; parent < op; ++parent) {
      if (random.Chance(0.3)) graph.parents.push_back(parent);
    }
    graph.parents_begin.push_back(static_cast<int>(graph.parents.size()));
  }
  return graph;
}

bool IsClosed(const OpGraph& graph, uint32_t set) {
  for (int op = 0; op < graph.size(); ++op) {
    if (((set >> op) & 1) == 0) continue;
    for (int i = graph.parents_begin[op]; i < graph.parents_begin[op + 1]; ++i) {
      if (((set >> graph.parents[i]) & 1) == 0) return false;
    }
  }
  return true;
}

TYPED_TEST(MinimumCutTest, FindsTheSmallestClosureOfMaximumWeight) {
  for (int seed = 0; seed < 300; ++seed) {
    TestRandom random(seed);
    const OpGraph graph = RandomGraph(1 + random.Below(9), random);
    MinimumCut<TypeParam> cut(graph);
    // One object serves several gains and costs. Small numbers, so that weights coincide.
    for (int round = 0; round < 3; ++round) {
      std::vector<TypeParam> gains, costs;
      for (int op = 0; op < graph.size(); ++op) {
        gains.push_back(random.Below(6));
        costs.push_back(random.Below(6));
      }
      std::vector<bool> closure;
      WorkMeter meter;
      const TypeParam weight = cut.MaximumClosure(gains, costs, meter, closure);

      uint32_t found = 0;
      for (int op = 0; op < graph.size(); ++op) found |= uint32_t{closure[op]} << op;
      TypeParam best = 0;
      uint32_t in_all_best = ~uint32_t{0};
      for (uint32_t set = 0; set < uint32_t{1} << graph.size(); ++set) {
        if (!IsClosed(graph, set)) continue;
        TypeParam of_set = 0;
        for (int op = 0; op < graph.size(); ++op) {
          if (((set >> op) & 1) != 0) of_set += gains[op] - costs[op];
        }
        if (of_set > best) {
          best = of_set;
          in_all_best = ~uint32_t{0};
        }
        if (of_set == best) in_all_best &= set;
      }
      SCOPED_TRACE(absl::StrCat("seed ", seed, " round ", round));
      ASSERT_TRUE(weight == best);
      ASSERT_EQ(found, best == 0 ? 0 : in_all_best);
    }
  }
}

// Every gaining op needs every other op, and their costs use up what flows: all but the first paths end at an op
// without room.
TYPED_TEST(MinimumCutTest, ChargesForDeadEnds) {
  constexpr int kHalf = 300;
  OpGraph graph;
  graph.cost.assign(2 * kHalf, 0);
  graph.parents_begin.assign(kHalf + 1, 0);
  std::vector<TypeParam> gains(2 * kHalf, 0), costs(2 * kHalf, 0);
  for (int op = kHalf; op < 2 * kHalf; ++op) {
    for (int parent = 0; parent < kHalf; ++parent) graph.parents.push_back(parent);
    graph.parents_begin.push_back(static_cast<int>(graph.parents.size()));
    gains[op] = kHalf;
    costs[op - kHalf] = 1;
  }
  MinimumCut<TypeParam> cut(graph);
  std::vector<bool> closure;
  const StopFunction never;
  constexpr int64_t kWork = 100'000'000;
  WorkMeter meter(kWork, never);
  EXPECT_TRUE(cut.MaximumClosure(gains, costs, meter, closure) == kHalf * kHalf - kHalf);
  EXPECT_GT(kWork - meter.left(), 2 * kHalf * kHalf);
}

TYPED_TEST(MinimumCutTest, BoundsTheWeightWhenTheMeterRunsOut) {
  TestRandom random(1);
  const OpGraph graph = RandomGraph(200, random);
  std::vector<TypeParam> gains, costs;
  for (int op = 0; op < graph.size(); ++op) {
    gains.push_back(random.Below(100));
    costs.push_back(random.Below(100));
  }
  MinimumCut<TypeParam> cut(graph);
  std::vector<bool> closure;
  WorkMeter unlimited;
  const TypeParam best = cut.MaximumClosure(gains, costs, unlimited, closure);
  const StopFunction never;
  for (const int64_t work : {1, 1000, 3000, 10000}) {
    WorkMeter meter(work, never);
    ASSERT_TRUE(cut.MaximumClosure(gains, costs, meter, closure) >= best) << work;
  }
}

}  // namespace
}  // namespace greenplan
