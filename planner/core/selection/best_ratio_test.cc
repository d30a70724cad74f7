#include "planner/core/selection/best_ratio.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/graph/live_sets.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

struct Optimum {
  int64_t value = 0;
  int64_t cost = 0;
};

// The best ratio by trying all subsets, its cheapest selection, and where that costs nothing the one worth most.
// Nullopt if nothing has a positive value.
std::optional<Optimum> BestByTryingAll(const ModelProfile& profile, const std::vector<int64_t>& values,
                                       const RatioBase& base) {
  std::optional<Optimum> best;
  const int n = static_cast<int>(values.size());
  for (uint32_t set = 0; set < uint32_t{1} << n; ++set) {
    std::vector<bool> mask(n);
    int64_t value = base.value;
    bool is_allowed = true;
    for (int k = 0; k < n; ++k) {
      mask[k] = ((set >> k) & 1) != 0;
      if (!mask[k]) continue;
      is_allowed = is_allowed && profile.tensors[k].op != kNone;
      value += values[k];
    }
    if (!is_allowed || value <= 0) continue;
    const int64_t cost = base.cost + EvaluateMask(profile, mask).backward_cost;
    if (best) {
      const __int128 difference = static_cast<__int128>(value) * best->cost - static_cast<__int128>(best->value) * cost;
      const bool is_free = cost == 0 && best->cost == 0;
      const bool is_better =
          is_free ? value > best->value : cost == 0 || difference > 0 || (difference == 0 && cost < best->cost);
      if (best->cost == 0 && cost > 0) continue;
      if (!is_better) continue;
    }
    best = {value, cost};
  }
  return best;
}

struct Problem {
  ModelProfile profile;
  std::vector<int64_t> values;
  RatioBase base;
};

Problem RandomProblem(int seed, GraphShape shape) {
  TestRandom random(seed);
  const bool is_model = shape >= GraphShape::kDecoder;
  Problem problem;
  problem.profile = RandomProfile({.shape = shape,
                                   .size = is_model ? 1 : 8,
                                   .max_cost = random.Chance(0.5) ? 4 : 1000,
                                   .free_share = random.Chance(0.5) ? 0.1 : 0.5,
                                   .max_tensors = 9},
                                  random);
  const int64_t max_value = random.Chance(0.5) ? 5 : 1000;
  for (const Tensor& tensor : problem.profile.tensors) {
    problem.values.push_back(tensor.op == kNone ? 0 : random.Cost(max_value));
  }
  if (random.Chance(0.6)) problem.base.cost = random.Cost(200);
  if (random.Chance(0.3)) problem.base.value = random.Cost(2 * max_value) - max_value;
  return problem;
}

void ExpectOptimal(const Problem& problem, const RatioResult& result) {
  const std::optional<Optimum> best = BestByTryingAll(problem.profile, problem.values, problem.base);
  ASSERT_TRUE(result.is_proved);
  if (!best) {
    EXPECT_LE(result.value, 0);
    EXPECT_EQ(std::find(result.trainable.begin(), result.trainable.end(), true), result.trainable.end());
    return;
  }
  EXPECT_EQ(result.value, best->value);
  EXPECT_EQ(result.cost, best->cost);
  int64_t value = problem.base.value;
  for (size_t k = 0; k < problem.values.size(); ++k) value += result.trainable[k] ? problem.values[k] : 0;
  EXPECT_EQ(result.value, value);
  EXPECT_EQ(result.cost, problem.base.cost + EvaluateMask(problem.profile, result.trainable).backward_cost);
}

LiveSetTree TreeOf(const ModelProfile& profile, int max_nodes = 1 << 15) {
  WorkMeter meter;
  return BuildLiveSets(profile, std::vector<bool>(profile.ops.size(), false),
                       std::vector<bool>(profile.tensors.size(), false), {.max_nodes = max_nodes}, meter);
}

RatioResult ByClosures(const Problem& problem, RatioResult known, WorkMeter& meter) {
  return ImproveBestRatioByClosures(problem.profile, std::vector<bool>(problem.profile.ops.size(), false), 0,
                                    std::vector<bool>(problem.values.size(), false), problem.values, problem.base,
                                    std::move(known), meter);
}

class BestRatioOnRandomGraphs : public testing::TestWithParam<GraphShape> {};

TEST_P(BestRatioOnRandomGraphs, EqualsTryingAllSubsets) {
  for (int seed = 0; seed < 1500; ++seed) {
    const Problem problem = RandomProblem(seed, GetParam());
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const LiveSetTree tree = TreeOf(problem.profile);
    WorkMeter meter;
    const Ranking ranking(tree, problem.values, meter);
    ExpectOptimal(problem, SearchBestRatio(ranking, static_cast<int>(problem.values.size()), problem.base, meter));
    if (HasFailure()) return;
  }
}

TEST_P(BestRatioOnRandomGraphs, ClosuresEqualTryingAllSubsets) {
  for (int seed = 0; seed < 600; ++seed) {
    Problem problem = RandomProblem(seed, GetParam());
    if (problem.base.cost == 0) problem.base.cost = 1;  // Without a base the cheapest of equals may be missed.
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    WorkMeter meter;
    RatioResult nothing{.trainable = std::vector<bool>(problem.values.size(), false), .ratio_bound = 1e300};
    nothing.value = problem.base.value;
    nothing.cost = problem.base.cost;
    ExpectOptimal(problem, ByClosures(problem, nothing, meter));
    if (HasFailure()) return;
  }
}

TEST_P(BestRatioOnRandomGraphs, RelaxedLiveSetsCountInTheBoundAndClosuresFinishTheJob) {
  for (int seed = 0; seed < 300; ++seed) {
    Problem problem = RandomProblem(seed, GetParam());
    if (problem.base.cost == 0) problem.base.cost = 1;
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const LiveSetTree tree = TreeOf(problem.profile, /*max_nodes=*/2);
    WorkMeter meter;
    const Ranking ranking(tree, problem.values, meter);
    const RatioResult found = SearchBestRatio(ranking, static_cast<int>(problem.values.size()), problem.base, meter);
    const std::optional<Optimum> best = BestByTryingAll(problem.profile, problem.values, problem.base);
    const double ratio = best ? static_cast<double>(best->value) / static_cast<double>(best->cost) : 0;
    ASSERT_GE(found.ratio_bound, ratio);
    ASSERT_LE(static_cast<double>(found.value) / static_cast<double>(found.cost), ratio + 1e-12);
    if (found.is_proved) {
      ExpectOptimal(problem, found);
    } else {
      ExpectOptimal(problem, ByClosures(problem, found, meter));
    }
    if (HasFailure()) return;
  }
}

TEST_P(BestRatioOnRandomGraphs, TheBoundHoldsWheneverTheWorkEnds) {
  for (int seed = 0; seed < 100; ++seed) {
    const Problem problem = RandomProblem(seed, GetParam());
    const std::optional<Optimum> best = BestByTryingAll(problem.profile, problem.values, problem.base);
    const LiveSetTree tree = TreeOf(problem.profile);
    WorkMeter unlimited;
    const Ranking ranking(tree, problem.values, unlimited);
    const StopFunction never;
    for (int64_t work = 1; work < 200; work += 7) {
      SCOPED_TRACE(absl::StrCat("seed ", seed, " work ", work));
      WorkMeter meter(work, never);
      RatioResult found = SearchBestRatio(ranking, static_cast<int>(problem.values.size()), problem.base, meter);
      if (found.is_proved) continue;
      for (const bool with_closures : {false, true}) {
        if (with_closures) {
          WorkMeter again(work, never);
          found = ByClosures(problem, std::move(found), again);
        }
        if (!best || best->cost == 0) continue;
        ASSERT_GE(found.ratio_bound, static_cast<double>(best->value) / static_cast<double>(best->cost));
        ASSERT_LE(static_cast<__int128>(found.value) * best->cost, static_cast<__int128>(best->value) * found.cost);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, BestRatioOnRandomGraphs, testing::ValuesIn(kAllShapes));

// Products of costs and values near their limits need 122 bits.
TEST(BestRatio, IsExactAtTheLimitsOfCostAndValue) {
  ModelProfile profile;
  profile.ops = {{.cost = int64_t{1} << 60, .inputs = {{1, 0}}}, {.cost = 0}};
  profile.tensors = {{.name = "a", .op = 0, .weight_grad_cost = int64_t{1} << 60},
                     {.name = "b", .op = 1, .weight_grad_cost = (int64_t{1} << 60) + 1}};
  const LiveSetTree tree = TreeOf(profile);
  WorkMeter meter;
  const std::vector<int64_t> values = {int64_t{1} << 58, (int64_t{1} << 58) + 1};
  const Ranking ranking(tree, values, meter);
  // Together: (2^59 + 1) / (3 * 2^60 + 1) beats either alone.
  const RatioResult result = SearchBestRatio(ranking, 2, {}, meter);
  EXPECT_TRUE(result.is_proved);
  EXPECT_EQ(result.trainable, (std::vector<bool>{true, true}));
}

}  // namespace
}  // namespace greenplan
