#include "planner/core/selection/downscaled.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/graph/live_sets.h"
#include "planner/core/testing/random_profiles.h"
#include "planner/core/testing/subsets.h"
#include "planner/core/testing/tree_enumeration.h"

namespace greenplan {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

struct Problem {
  ModelProfile profile;
  LiveSetTree tree;
  std::vector<int64_t> values;
  int64_t full = 0;
  int64_t budget = 0;
};

LiveSetTree TreeOf(const ModelProfile& profile) {
  WorkMeter meter;
  return BuildLiveSets(profile, std::vector<bool>(profile.ops.size(), false),
                       std::vector<bool>(profile.tensors.size(), false), {}, meter);
}

Problem RandomProblem(GraphShape shape, TestRandom& random) {
  const bool is_model = shape >= GraphShape::kDecoder;
  const int size = is_model ? 1 + random.Below(2) : 1 + random.Below(14);
  Problem problem;
  problem.profile = RandomProfile({.shape = shape, .size = size, .max_tensors = 9}, random);
  problem.tree = TreeOf(problem.profile);
  for (size_t k = 0; k < problem.profile.tensors.size(); ++k) problem.values.push_back(random.Below(30) - 3);
  problem.full = EvaluateMask(problem.profile, FullMask(problem.profile)).backward_cost;
  problem.budget = static_cast<int64_t>(random.Unit() * static_cast<double>(problem.full + 1));
  return problem;
}

std::vector<bool> Select(const Problem& problem, int resolution, int64_t work = kNoLimit) {
  const StopFunction never;
  WorkMeter meter(work, never);
  return SelectDownscaled(problem.tree, problem.values, problem.budget, problem.full, resolution, meter);
}

int64_t StepsOf(const Problem& problem, int64_t cost, int resolution) {
  return problem.full == 0 ? cost * resolution : (cost * resolution + problem.full - 1) / problem.full;
}

// The tree with each cost in whole steps.
LiveSetTree InSteps(const Problem& problem, int resolution) {
  LiveSetTree tree = problem.tree;
  for (LiveSetTree::Node& node : tree.nodes) node.cost = StepsOf(problem, node.cost, resolution);
  for (Item& item : tree.items) item.cost = StepsOf(problem, item.cost, resolution);
  for (Bundle& bundle : tree.bundles) {
    for (Bundle::Option& option : bundle.options) option.cost = StepsOf(problem, option.cost, resolution);
  }
  return tree;
}

class DownscaledOnRandomGraphs : public testing::TestWithParam<GraphShape> {};
INSTANTIATE_TEST_SUITE_P(Shapes, DownscaledOnRandomGraphs, testing::ValuesIn(kAllShapes));

TEST_P(DownscaledOnRandomGraphs, FindsTheBestThatStaysWithinTheBudgetWithCostsRoundedUp) {
  for (int seed = 0; seed < 300 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const Problem problem = RandomProblem(GetParam(), random);
    for (const int resolution : {1, 7, 40}) {
      SCOPED_TRACE(absl::StrCat("seed ", seed, " resolution ", resolution));
      const std::vector<bool> mask = Select(problem, resolution);
      EXPECT_LE(EvaluateMask(problem.profile, mask).backward_cost, problem.budget);
      const int64_t capacity = problem.budget * resolution / std::max<int64_t>(problem.full, 1);
      const LiveSetTree tree = InSteps(problem, resolution);
      int64_t best = 0;
      for (int node = 0; node < static_cast<int>(tree.nodes.size()); ++node) {
        best = std::max(best, BestOfLiveSet(tree, problem.values, node, capacity - tree.nodes[node].cost, kNoLimit));
      }
      EXPECT_EQ(ValueOf(problem.values, mask), best);
      for (size_t k = 0; k < mask.size(); ++k) EXPECT_TRUE(!mask[k] || problem.values[k] > 0) << k;
    }
  }
}

TEST_P(DownscaledOnRandomGraphs, FindsTheBestOfAllSubsetsWithAStepForEachUnitOfCost) {
  for (int seed = 0; seed < 300 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const Problem problem = RandomProblem(GetParam(), random);
    const int resolution = static_cast<int>(std::max<int64_t>(problem.full, 1));
    EXPECT_EQ(ValueOf(problem.values, Select(problem, resolution)),
              BestOfAllSubsets(problem.profile, problem.values, problem.budget))
        << "seed " << seed;
  }
}

TEST_P(DownscaledOnRandomGraphs, KeepsTheBudgetWhereverItIsStopped) {
  for (int seed = 0; seed < 300 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const Problem problem = RandomProblem(GetParam(), random);
    for (const int64_t work : {0, 20, 100, 500}) {
      const std::vector<bool> mask = Select(problem, 40, work);
      ASSERT_EQ(mask.size(), problem.values.size());
      EXPECT_LE(EvaluateMask(problem.profile, mask).backward_cost, problem.budget) << "seed " << seed;
    }
  }
}

// Published planners round down: two tensors that come to almost two steps would pass for nothing.
TEST(SelectDownscaled, RoundsUpWhatRoundingDownWouldGiveAway) {
  Problem problem;
  problem.profile.ops = {{}};
  problem.profile.tensors = {{.op = 0, .weight_grad_cost = 99}, {.op = 0, .weight_grad_cost = 99}};
  problem.profile.tensors.push_back({.op = 0, .weight_grad_cost = 802});
  problem.tree = TreeOf(problem.profile);
  problem.values = {1, 2, 3};
  problem.full = 1000;
  problem.budget = 100;
  EXPECT_EQ(Select(problem, 10), (std::vector<bool>{false, true, false}));
  problem.budget = 199;
  EXPECT_EQ(Select(problem, 10), (std::vector<bool>{false, true, false}));
  problem.budget = 200;
  EXPECT_EQ(Select(problem, 10), (std::vector<bool>{true, true, false}));
}

TEST(SelectDownscaled, DoesNotOverflowAtTheLargestCosts) {
  Problem problem;
  problem.profile.ops = {{}};
  problem.profile.tensors = {{.op = 0, .weight_grad_cost = int64_t{1} << 61}};
  problem.profile.tensors.push_back({.op = 0, .weight_grad_cost = int64_t{1} << 61});
  problem.tree = TreeOf(problem.profile);
  problem.values = {1, 2};
  problem.full = int64_t{1} << 62;
  problem.budget = problem.full - 1;
  EXPECT_EQ(Select(problem, 1000), (std::vector<bool>{false, true}));
}

TEST(SelectDownscaled, SelectsNothingWhereNothingFitsAndAllThatIsFree) {
  Problem problem;
  problem.profile.ops = {{.inputs = {{1, 4}}}, {}};
  problem.profile.tensors = {{.op = 0}, {.op = 1}, {.op = 1, .weight_grad_cost = 1}};
  problem.tree = TreeOf(problem.profile);
  problem.values = {3, 5, -1};
  problem.full = 5;
  EXPECT_EQ(Select(problem, 10), (std::vector<bool>{true, false, false}));
  problem.values[0] = 0;
  EXPECT_EQ(Select(problem, 10), std::vector<bool>(3, false));

  problem.profile.ops[0].inputs[0].cost = problem.full = 0;
  problem.tree = TreeOf(problem.profile);
  EXPECT_EQ(Select(problem, 10), (std::vector<bool>{false, true, false}));
}

// A table of all picks once took a byte for each item and step: here 60 MB, at the limits of a request tens of GB.
TEST(SelectDownscaled, KeepsTheMemoryThatItMayTakeAndGivesItBack) {
  constexpr int kItems = 60, kResolution = 1000000;
  constexpr int64_t kBytes = int64_t{50} << 20;
  Problem problem;
  problem.profile.ops = {{}};
  for (int k = 0; k < kItems; ++k) {
    problem.profile.tensors.push_back({.op = 0, .weight_grad_cost = 1000 + k});
    problem.values.push_back(1000 + (k * 7919) % 1000);
    problem.full += 1000 + k;
  }
  problem.tree = TreeOf(problem.profile);
  problem.budget = problem.full / 2;
  const StopFunction never;
  WorkMeter meter(kNoLimit, never, kBytes);
  const std::vector<bool> mask = SelectDownscaled(problem.tree, problem.values, problem.budget, problem.full,
                                                  kResolution, meter, int64_t{2} << 20);
  EXPECT_TRUE(meter.TakeBytes(kBytes));
  // With more steps than units of cost rounding loses nothing, and half of the cost buys more than half of the value.
  int64_t total = 0;
  for (int64_t value : problem.values) total += value;
  EXPECT_GT(2 * ValueOf(problem.values, mask), total);
  EXPECT_LE(EvaluateMask(problem.profile, mask).backward_cost, problem.budget);
}

// For every number of choices that an item may have.
TEST(SelectDownscaled, FindsInManySegmentsWhatItFindsInOne) {
  for (int tensors_per_op = 1; tensors_per_op <= 6; ++tensors_per_op) {
    Problem problem;
    problem.profile.ops.resize(41);
    TestRandom random(tensors_per_op);
    for (int op = 1; op <= 40; ++op) {
      problem.profile.ops[0].inputs.push_back({op, random.Cost(10)});
      for (int t = 0; t < tensors_per_op; ++t) {
        problem.profile.tensors.push_back({.op = op, .weight_grad_cost = random.Cost(100)});
        problem.values.push_back(1 + random.Below(1000));
      }
    }
    problem.tree = TreeOf(problem.profile);
    problem.full = EvaluateMask(problem.profile, FullMask(problem.profile)).backward_cost;
    problem.budget = problem.full / 3;
    WorkMeter meter;
    const auto select = [&](int64_t segment_bytes) {
      return SelectDownscaled(problem.tree, problem.values, problem.budget, problem.full, 3000, meter, segment_bytes);
    };
    const std::vector<bool> in_one = select(1 << 30);
    EXPECT_GT(ValueOf(problem.values, in_one), 0);
    for (const int64_t segment_bytes : {1, 1000, 10000}) EXPECT_EQ(select(segment_bytes), in_one);
  }
}

}  // namespace
}  // namespace greenplan
