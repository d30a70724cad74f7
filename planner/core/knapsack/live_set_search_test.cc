#include "planner/core/knapsack/live_set_search.h"

#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/graph/live_sets.h"
#include "planner/core/testing/random_profiles.h"
#include "planner/core/testing/subsets.h"

namespace greenplan {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

LiveSetTree TreeOf(const ModelProfile& profile, int max_nodes = 1 << 16) {
  WorkMeter meter;
  return BuildLiveSets(profile, std::vector<bool>(profile.ops.size(), false),
                       std::vector<bool>(profile.tensors.size(), false), {.max_nodes = max_nodes}, meter);
}

LiveSetResult Search(const Ranking& ranking, const ModelProfile& profile, int64_t budget, int64_t work = kNoLimit) {
  const StopFunction never;
  WorkMeter meter(work, never);
  return LiveSetSearch(ranking, static_cast<int>(profile.tensors.size())).Run(budget, meter);
}

struct Problem {
  ModelProfile profile;
  std::vector<int64_t> values;
  int64_t budget = 0;
};

// Values at random, or near the costs, which no ratio tells apart.
Problem RandomProblem(GraphShape shape, TestRandom& random) {
  const bool is_model = shape >= GraphShape::kDecoder;
  RandomProfileOptions options{.shape = shape, .max_tensors = 9};
  options.size = is_model ? 1 + random.Below(2) : 1 + random.Below(14);
  options.max_cost = random.Chance(0.5) ? 10 : 1000;
  Problem problem{RandomProfile(options, random), {}, 0};
  const bool is_proportional = random.Chance(0.4);
  const int64_t unit = random.Chance(0.5) ? 1 : 100;
  for (Tensor& tensor : problem.profile.tensors) {
    tensor.weight_grad_cost *= unit;
    problem.values.push_back(is_proportional ? tensor.weight_grad_cost + random.Below(3) : random.Below(30) - 3);
  }
  const int64_t full = EvaluateMask(problem.profile, FullMask(problem.profile)).backward_cost;
  problem.budget = static_cast<int64_t>(random.Unit() * static_cast<double>(full + 1));
  return problem;
}

void ExpectValid(const Problem& problem, const LiveSetResult& result) {
  ASSERT_EQ(result.trainable.size(), problem.values.size());
  EXPECT_LE(EvaluateMask(problem.profile, result.trainable).backward_cost, problem.budget);
  EXPECT_EQ(result.value, ValueOf(problem.values, result.trainable));
  EXPECT_GE(result.upper_bound, result.value);
  for (size_t k = 0; k < problem.values.size(); ++k) EXPECT_TRUE(!result.trainable[k] || problem.values[k] > 0);
}

class LiveSetSearchOnRandomGraphs : public testing::TestWithParam<GraphShape> {};
INSTANTIATE_TEST_SUITE_P(Shapes, LiveSetSearchOnRandomGraphs, testing::ValuesIn(kAllShapes));

TEST_P(LiveSetSearchOnRandomGraphs, ProvesTheBestOfAllSubsets) {
  for (int seed = 0; seed < 500 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const Problem problem = RandomProblem(GetParam(), random);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const LiveSetTree tree = TreeOf(problem.profile);
    WorkMeter unlimited;
    const Ranking ranking(tree, problem.values, unlimited);
    const LiveSetResult result = Search(ranking, problem.profile, problem.budget);
    ExpectValid(problem, result);
    EXPECT_EQ(result.value, BestOfAllSubsets(problem.profile, problem.values, problem.budget));
    EXPECT_EQ(result.upper_bound, result.value);
    EXPECT_GE(BoundLiveSets(ranking, problem.budget, unlimited), result.value);
  }
}

TEST_P(LiveSetSearchOnRandomGraphs, BoundsTheBestWhereverItIsStopped) {
  int num_unproved = 0;
  for (int seed = 0; seed < 300 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const Problem problem = RandomProblem(GetParam(), random);
    const LiveSetTree tree = TreeOf(problem.profile);
    WorkMeter unlimited;
    const Ranking ranking(tree, problem.values, unlimited);
    const int64_t best = BestOfAllSubsets(problem.profile, problem.values, problem.budget);
    for (const int64_t work : {0, 1, 30, 100, 300, 1000}) {
      SCOPED_TRACE(absl::StrCat("seed ", seed, " work ", work));
      const LiveSetResult result = Search(ranking, problem.profile, problem.budget, work);
      ExpectValid(problem, result);
      EXPECT_GE(result.upper_bound, best);
      EXPECT_LE(result.value, best);
      num_unproved += result.upper_bound > result.value;
    }
  }
  EXPECT_GT(num_unproved, 100);
}

TEST(LiveSetSearch, BoundsByRelaxedNodesAndSelectsNothingThere) {
  int num_unproved = 0;
  for (int seed = 0; seed < 500 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const Problem problem = RandomProblem(GraphShape::kEncoderDecoder, random);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const LiveSetTree tree = TreeOf(problem.profile, 1 + random.Below(5));
    WorkMeter unlimited;
    const LiveSetResult result = Search(Ranking(tree, problem.values, unlimited), problem.profile, problem.budget);
    ExpectValid(problem, result);
    EXPECT_GE(result.upper_bound, BestOfAllSubsets(problem.profile, problem.values, problem.budget));
    num_unproved += result.upper_bound > result.value;
  }
  EXPECT_GT(num_unproved, 20);
}

// Where memory is short, one node stands for all that was left out of the tree.
TEST(LiveSetSearch, ItsBoundHoldsHoweverLittleMemoryTheTreeMayTake) {
  int num_unproved = 0;
  for (int seed = 0; seed < 1000 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const Problem problem = RandomProblem(kAllShapes[random.Below(std::size(kAllShapes))], random);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const StopFunction never;
    WorkMeter little(kNoLimit, never, random.Below(8000));
    const LiveSetTree tree = BuildLiveSets(problem.profile, std::vector<bool>(problem.profile.ops.size(), false),
                                           std::vector<bool>(problem.profile.tensors.size(), false), {}, little);
    WorkMeter unlimited;
    const LiveSetResult result = Search(Ranking(tree, problem.values, unlimited), problem.profile, problem.budget);
    ExpectValid(problem, result);
    EXPECT_GE(result.upper_bound, BestOfAllSubsets(problem.profile, problem.values, problem.budget));
    num_unproved += result.upper_bound > result.value;
  }
  EXPECT_GT(num_unproved, 20);
}

TEST(LiveSetSearch, ARunUnderALowerBudgetFindsWhatAFreshOneDoes) {
  const StopFunction never;
  for (int seed = 0; seed < 300; ++seed) {
    TestRandom random(seed);
    const GraphShape shape = kAllShapes[random.Below(std::size(kAllShapes))];
    const int size = shape >= GraphShape::kDecoder ? 2 : 25;
    const ModelProfile profile = RandomProfile({.shape = shape, .size = size, .max_cost = 1000}, random);
    const LiveSetTree tree = TreeOf(profile);
    std::vector<int64_t> values;
    for (size_t k = 0; k < profile.tensors.size(); ++k) values.push_back(random.Below(1000) - 100);
    WorkMeter unlimited;
    const Ranking ranking(tree, values, unlimited);
    LiveSetSearch search(ranking, static_cast<int>(values.size()));
    const int64_t full = EvaluateMask(profile, FullMask(profile)).backward_cost;
    for (int64_t budget = full; budget > 0; budget = budget * (60 + random.Below(40)) / 100) {
      WorkMeter meter(kNoLimit, never);
      const LiveSetResult found = search.Run(budget, meter);
      const LiveSetResult fresh = Search(ranking, profile, budget);
      ASSERT_EQ(found.value, fresh.value) << "seed " << seed << " budget " << budget;
      ASSERT_EQ(found.upper_bound, found.value) << "seed " << seed << " budget " << budget;
      ASSERT_LE(EvaluateMask(profile, found.trainable).backward_cost, budget) << "seed " << seed;
    }
  }
}

// It once went on to move the break points of all live sets down to the lower budget.
TEST(LiveSetSearch, ARunUnderALowerBudgetEndsAtTheStopAndBoundsTheBest) {
  TestRandom random(3);
  Problem problem{RandomProfile({.shape = GraphShape::kDecoder, .size = 500, .max_cost = 1000}, random), {}, 0};
  for (size_t k = 0; k < problem.profile.tensors.size(); ++k) problem.values.push_back(random.Below(1000) - 100);
  const LiveSetTree tree = TreeOf(problem.profile);
  WorkMeter unlimited;
  const Ranking ranking(tree, problem.values, unlimited);
  const int64_t full = EvaluateMask(problem.profile, FullMask(problem.profile)).backward_cost;
  problem.budget = full / 3;
  const int64_t best = Search(ranking, problem.profile, problem.budget).value;
  for (int stop_at = 1; stop_at <= 12; ++stop_at) {
    SCOPED_TRACE(stop_at);
    LiveSetSearch search(ranking, static_cast<int>(problem.values.size()));
    search.Run(full, unlimited);
    int num_questions = 0;
    const StopFunction should_stop = [&] { return ++num_questions >= stop_at; };
    WorkMeter meter(kNoLimit, should_stop);
    const LiveSetResult result = search.Run(problem.budget, meter);
    ExpectValid(problem, result);
    EXPECT_GE(result.upper_bound, best);
    if (meter.stopped()) EXPECT_LE(num_questions, stop_at);
  }
}

TEST(LiveSetSearch, StopsWhenAskedTo) {
  TestRandom random(1);
  const ModelProfile profile = RandomProfile({.shape = GraphShape::kDecoder, .size = 40}, random);
  const std::vector<int64_t> values(profile.tensors.size(), 1);
  const LiveSetTree tree = TreeOf(profile);
  const StopFunction at_once = [] { return true; };
  WorkMeter meter(kNoLimit, at_once);
  meter.Spend(5000);
  WorkMeter unlimited;
  const Ranking ranking(tree, values, unlimited);
  const LiveSetResult result = LiveSetSearch(ranking, static_cast<int>(values.size())).Run(100, meter);
  EXPECT_TRUE(meter.exhausted());
  EXPECT_GT(result.upper_bound, result.value);
}

TEST(LiveSetSearch, SelectsNothingWhereNothingFitsAndAllWhereAllIsFree) {
  ModelProfile profile;
  profile.ops = {{.cost = 3, .inputs = {{1, 0}}}, {}};
  profile.tensors = {{.op = 0}, {.op = 1, .weight_grad_cost = 2}};
  const LiveSetTree tree = TreeOf(profile);
  WorkMeter unlimited;
  const Ranking ranking(tree, {4, 5}, unlimited);
  const LiveSetResult nothing = Search(ranking, profile, 2);
  EXPECT_EQ(nothing.trainable, std::vector<bool>(2, false));
  EXPECT_EQ(nothing.upper_bound, 0);
  EXPECT_EQ(BoundLiveSets(ranking, 0, unlimited), 0);
  EXPECT_EQ(Search(ranking, profile, 3).trainable, (std::vector<bool>{true, false}));

  profile.ops[0].cost = profile.tensors[1].weight_grad_cost = 0;
  const LiveSetTree free = TreeOf(profile);
  const LiveSetResult all = Search(Ranking(free, {4, 5}, unlimited), profile, 0);
  EXPECT_EQ(all.value, 9);
  EXPECT_EQ(all.upper_bound, 9);
}

}  // namespace
}  // namespace greenplan
