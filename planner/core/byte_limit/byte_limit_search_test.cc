#include "planner/core/byte_limit/byte_limit_search.h"

#include <limits>
#include <tuple>
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

struct Problem {
  ModelProfile profile;
  std::vector<int64_t> values;
  int64_t budget = 0;
  int64_t max_bytes = 0;
};

// Limits that both bind, one, or none; values at random or near what the limits count, which no price tells apart.
Problem RandomProblem(GraphShape shape, TestRandom& random) {
  const bool is_model = shape >= GraphShape::kDecoder;
  RandomProfileOptions options{.shape = shape, .max_tensors = 9};
  options.size = is_model ? 1 + random.Below(2) : 1 + random.Below(14);
  options.max_cost = random.Chance(0.5) ? 10 : 1000;
  Problem problem{RandomProfile(options, random), {}, 0, 0};
  const bool is_proportional = random.Chance(0.3);
  for (const Tensor& tensor : problem.profile.tensors) {
    const int64_t weight = tensor.weight_grad_cost + tensor.saved_bytes;
    problem.values.push_back(is_proportional ? weight + random.Below(3) : random.Below(30) - 3);
  }
  const MaskCost full = EvaluateMask(problem.profile, FullMask(problem.profile));
  const auto share = [&](int64_t of) {
    return static_cast<int64_t>(random.Unit() * 1.2 * static_cast<double>(of + 1));
  };
  problem.budget = share(full.backward_cost);
  problem.max_bytes = share(full.saved_bytes);
  return problem;
}

LiveSetResult Search(const Problem& problem, int64_t work = kNoLimit, int max_nodes = 1 << 16) {
  const StopFunction never;
  WorkMeter building(kNoLimit, never);
  const LiveSetTree tree = BuildLiveSets(problem.profile, std::vector<bool>(problem.profile.ops.size(), false),
                                         std::vector<bool>(problem.values.size(), false),
                                         {.use_saved_bytes = true, .max_nodes = max_nodes}, building);
  WorkMeter meter(work, never);
  return SearchLiveSetsWithByteLimit(tree, problem.values, problem.budget, problem.max_bytes, meter);
}

bool Fits(const Problem& problem, const std::vector<bool>& mask) {
  const MaskCost cost = EvaluateMask(problem.profile, mask);
  return cost.backward_cost <= problem.budget && cost.saved_bytes <= problem.max_bytes;
}

void ExpectValid(const Problem& problem, const LiveSetResult& result) {
  ASSERT_EQ(result.trainable.size(), problem.values.size());
  EXPECT_TRUE(Fits(problem, result.trainable));
  EXPECT_EQ(result.value, ValueOf(problem.values, result.trainable));
  EXPECT_GE(result.upper_bound, result.value);
  for (size_t k = 0; k < problem.values.size(); ++k) EXPECT_TRUE(!result.trainable[k] || problem.values[k] > 0);
}

class ByteLimitSearchOnRandomGraphs : public testing::TestWithParam<GraphShape> {};
INSTANTIATE_TEST_SUITE_P(Shapes, ByteLimitSearchOnRandomGraphs, testing::ValuesIn(kAllShapes));

TEST_P(ByteLimitSearchOnRandomGraphs, ProvesTheBestOfAllSubsets) {
  for (int seed = 0; seed < 500 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const Problem problem = RandomProblem(GetParam(), random);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const LiveSetResult result = Search(problem);
    ExpectValid(problem, result);
    EXPECT_EQ(result.value, BestOfAllSubsets(problem.profile, problem.values, problem.budget, problem.max_bytes));
    EXPECT_EQ(result.upper_bound, result.value);
  }
}

TEST_P(ByteLimitSearchOnRandomGraphs, BoundsTheBestWhereverItIsStopped) {
  int num_unproved = 0;
  for (int seed = 0; seed < 300 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const Problem problem = RandomProblem(GetParam(), random);
    const int64_t best = BestOfAllSubsets(problem.profile, problem.values, problem.budget, problem.max_bytes);
    for (const int64_t work : {0, 1, 1000, 3000, 10000}) {
      SCOPED_TRACE(absl::StrCat("seed ", seed, " work ", work));
      const LiveSetResult result = Search(problem, work);
      ExpectValid(problem, result);
      EXPECT_GE(result.upper_bound, best);
      EXPECT_LE(result.value, best);
      num_unproved += result.upper_bound > result.value;
    }
  }
  EXPECT_GT(num_unproved, 100);
}

TEST(SearchLiveSetsWithByteLimit, BoundsByRelaxedNodesAndSelectsNothingThere) {
  int num_unproved = 0;
  for (int seed = 0; seed < 500 && !HasFailure(); ++seed) {
    TestRandom random(seed);
    const Problem problem = RandomProblem(GraphShape::kEncoderDecoder, random);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const LiveSetResult result = Search(problem, kNoLimit, 1 + random.Below(5));
    ExpectValid(problem, result);
    EXPECT_GE(result.upper_bound, BestOfAllSubsets(problem.profile, problem.values, problem.budget, problem.max_bytes));
    num_unproved += result.upper_bound > result.value;
  }
  EXPECT_GT(num_unproved, 20);
}

TEST(SearchLiveSetsWithByteLimit, BoundsTheBestAtWhateverQuestionItIsStopped) {
  TestRandom random(5);
  Problem problem{RandomProfile({.shape = GraphShape::kDecoder, .size = 600, .max_cost = 1000}, random), {}, 0, 0};
  for (size_t k = 0; k < problem.profile.tensors.size(); ++k) problem.values.push_back(random.Below(3000) - 3);
  const MaskCost full = EvaluateMask(problem.profile, FullMask(problem.profile));
  problem.budget = full.backward_cost / 2;
  problem.max_bytes = full.saved_bytes / 2;
  WorkMeter building;
  const LiveSetTree tree =
      BuildLiveSets(problem.profile, std::vector<bool>(problem.profile.ops.size(), false),
                    std::vector<bool>(problem.values.size(), false), {.use_saved_bytes = true}, building);
  const int64_t best = Search(problem, 10'000'000).value;
  for (const int stop_at : {1, 2, 3, 4, 6, 10, 100, 800, 1500}) {
    SCOPED_TRACE(stop_at);
    int num_questions = 0;
    const StopFunction should_stop = [&] { return ++num_questions >= stop_at; };
    WorkMeter meter(kNoLimit, should_stop);
    const LiveSetResult result =
        SearchLiveSetsWithByteLimit(tree, problem.values, problem.budget, problem.max_bytes, meter);
    ExpectValid(problem, result);
    EXPECT_GE(result.upper_bound, best);
    EXPECT_LE(num_questions, stop_at);
  }
}

TEST(SearchLiveSetsWithByteLimit, SelectsNothingWhereEitherLimitLetsNothingInAndAllWhereAllIsFree) {
  Problem problem;
  problem.profile.ops = {{.cost = 3, .inputs = {{1, 0}}, .saved_bytes = 7}, {}};
  problem.profile.tensors = {{.op = 0}, {.op = 1, .weight_grad_cost = 2}};
  problem.values = {4, 5};
  for (const auto& [budget, max_bytes, best] : {std::tuple{2, 9, 0}, {9, 6, 0}, {0, 0, 0}, {3, 7, 4}, {5, 7, 9}}) {
    problem.budget = budget;
    problem.max_bytes = max_bytes;
    const LiveSetResult result = Search(problem);
    EXPECT_EQ(result.value, best) << budget << ", " << max_bytes;
    EXPECT_EQ(result.upper_bound, best) << budget << ", " << max_bytes;
  }
  problem.profile.ops[0] = {.inputs = {{1, 0}}};
  problem.profile.tensors[1].weight_grad_cost = problem.budget = problem.max_bytes = 0;
  EXPECT_EQ(Search(problem).trainable, std::vector<bool>(2, true));
}

}  // namespace
}  // namespace greenplan
