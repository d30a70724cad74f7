#include "planner/core/joint/uniform_joint.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/drop/drop_rates.h"
#include "planner/core/joint/joint_rates.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

struct Instance {
  ModelProfile profile;
  std::vector<double> importance;
  JointProblem problem;
};

enum class Bounds { kNone, kForAll, kForEachBlock };

void FillInstance(GraphShape shape, Bounds bounds, TestRandom& random, Instance& instance) {
  const bool is_model = shape >= GraphShape::kDecoder;
  instance.profile = RandomProfile({.shape = shape,
                                    .size = is_model ? 1 + random.Below(2) : 1 + random.Below(9),
                                    .max_cost = random.Chance(0.3) ? 20 : 1000000,
                                    .with_blocks = true,
                                    .max_tensors = 8},
                                   random);
  instance.importance =
      RandomImportance(instance.profile, kAllImportance[random.Below(std::size(kAllImportance))], random);
  JointProblem& problem = instance.problem;
  problem.selection.importance = &instance.importance;
  for (double& importance : instance.importance) {
    const bool is_pinned = random.Chance(0.05);
    problem.selection.pins.push_back(is_pinned ? Pin::kAlways : (random.Chance(0.1) ? Pin::kNever : Pin::kFree));
    if (is_pinned && random.Chance(0.5)) importance = -importance;
  }
  for (size_t k = 0; k < instance.importance.size(); ++k) {
    if (instance.profile.tensors[k].op == kNone) problem.selection.pins[k] = Pin::kNever;
  }
  problem.selection.backward_budget = static_cast<int64_t>(
      random.Unit() * random.Unit() *
      static_cast<double>(EvaluateMask(instance.profile, FullMask(instance.profile)).backward_cost));
  const double min_rate = 0.3 * random.Unit(), max_rate = 1 - 0.3 * random.Unit();
  for (size_t b = 0; b < instance.profile.blocks.size(); ++b) {
    problem.sensitivity.push_back(random.Unit());
    const bool has_own = bounds == Bounds::kForEachBlock;
    problem.min_rates.push_back(bounds == Bounds::kNone ? 0
                                                        : (has_own && random.Chance(0.5) ? random.Unit() : min_rate));
    problem.max_rates.push_back(
        bounds == Bounds::kNone ? 1 : (has_own ? std::max(problem.min_rates.back(), random.Unit()) : max_rate));
  }
  problem.mu = random.Chance(0.4) ? 0 : std::exp(2 * random.Normal());
}

std::vector<double> Clamped(const JointProblem& problem, double rate) {
  std::vector<double> rates;
  for (size_t b = 0; b < problem.min_rates.size(); ++b) {
    rates.push_back(std::clamp(rate, problem.min_rates[b], problem.max_rates[b]));
  }
  return rates;
}

// The value of a mask at its best rate, by looking at the rates where that can be: the lowest that keeps the budget,
// those where a block meets a bound, and between two of these the one where the value has no slope. Shares with the
// search only the lowest rate. Minus infinity if none keeps the budget.
double BestValueOf(const Instance& instance, const std::vector<bool>& mask) {
  const JointProblem& problem = instance.problem;
  const std::optional<DropRateProblem> rates = RatesForMask(instance.profile, problem, mask);
  WorkMeter unlimited;
  const absl::StatusOr<DropRates> lowest = UniformDropRates(*rates, unlimited);
  if (!lowest.ok()) return -INFINITY;
  double first = 0;
  for (size_t b = 0; b < problem.min_rates.size(); ++b) {
    if (lowest->rates[b] > problem.min_rates[b]) first = std::max(first, lowest->rates[b]);
  }
  std::vector<double> tries = {first, 1};
  for (size_t b = 0; b < problem.min_rates.size(); ++b) {
    tries.insert(tries.end(), {problem.min_rates[b], problem.max_rates[b]});
  }
  std::sort(tries.begin(), tries.end());
  const std::vector<double> turns = tries;
  for (size_t i = 0; i + 1 < turns.size(); ++i) {
    const double low = turns[i], high = turns[i + 1];
    double gain = 0, harm = 0;
    for (size_t b = 0; b < problem.min_rates.size(); ++b) {
      if (problem.min_rates[b] > low || problem.max_rates[b] < high) continue;
      gain += rates->linear[b];
      harm += rates->quadratic[b];
    }
    if (harm > 0) tries.push_back(std::clamp(-gain / (2 * harm), low, high));
  }
  double best = -INFINITY;
  for (double rate : tries) {
    if (rate >= first) best = std::max(best, JointValue(instance.profile, problem, mask, Clamped(problem, rate)));
  }
  return best;
}

double BestOfAllMasks(const Instance& instance) {
  double best = -INFINITY;
  for (uint32_t subset = 0; subset < (uint32_t{1} << instance.importance.size()); ++subset) {
    std::vector<bool> mask(instance.importance.size());
    bool is_allowed = true;
    for (size_t k = 0; k < mask.size(); ++k) {
      mask[k] = (subset >> k) & 1;
      const Pin pin = instance.problem.selection.pins[k];
      is_allowed &= pin == Pin::kFree || mask[k] == (pin == Pin::kAlways);
    }
    if (is_allowed) best = std::max(best, BestValueOf(instance, mask));
  }
  return best;
}

bool IsOneRate(const JointProblem& problem, const std::vector<double>& rates) {
  for (double rate : rates) {
    if (Clamped(problem, rate) == rates) return true;
  }
  return rates.empty();
}

class UniformJointOnRandomGraphs : public testing::TestWithParam<std::tuple<GraphShape, Bounds>> {};

TEST_P(UniformJointOnRandomGraphs, FindsTheBestOfAllMasksAndRates) {
  int cases = 0, proved = 0, best_found = 0;
  for (int seed = 0; seed < 150; ++seed) {
    TestRandom random(seed);
    Instance instance;
    FillInstance(std::get<0>(GetParam()), std::get<1>(GetParam()), random, instance);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const double best = BestOfAllMasks(instance);
    WorkMeter unlimited;
    const std::optional<JointResult> result = SolveUniformJoint(instance.profile, instance.problem, unlimited);
    ASSERT_EQ(result.has_value(), std::isfinite(best));
    if (!result) continue;
    EXPECT_LE(ExpectedBackwardCost(instance.profile, result->trainable, result->drop_rates),
              instance.problem.selection.backward_budget);
    EXPECT_TRUE(IsOneRate(instance.problem, result->drop_rates)) << testing::PrintToString(result->drop_rates);
    EXPECT_EQ(result->value, JointValue(instance.profile, instance.problem, result->trainable, result->drop_rates));
    double magnitude = 1e-300;
    for (double value : instance.importance) magnitude += std::abs(value);
    const double tolerance = 1e-11 * magnitude;
    EXPECT_LE(result->value, best + tolerance);
    EXPECT_GE(result->upper_bound, best - tolerance);
    ++cases;
    proved += result->upper_bound - result->value <= tolerance ? 1 : 0;
    best_found += result->value >= best - 1e-9 * magnitude ? 1 : 0;
    if (HasFailure()) return;
  }
  RecordProperty("cases", cases);
  RecordProperty("proved", proved);
  EXPECT_EQ(best_found, cases);
  EXPECT_GE(proved, cases * 9 / 10);
}

INSTANTIATE_TEST_SUITE_P(Shapes, UniformJointOnRandomGraphs,
                         testing::Combine(testing::ValuesIn(kAllShapes),
                                          testing::Values(Bounds::kNone, Bounds::kForAll, Bounds::kForEachBlock)));

TEST(UniformJoint, IsOneRateAndKeepsTheBudgetWheneverItIsStopped) {
  for (int questions = 0; questions < 40; ++questions) {
    TestRandom random(questions);
    Instance instance;
    FillInstance(kAllShapes[questions % std::size(kAllShapes)], Bounds::kForEachBlock, random, instance);
    int left = questions;
    const StopFunction should_stop = [&] { return left-- <= 0; };
    WorkMeter meter(WorkMeter::kNoLimit, should_stop);
    meter.Spend(3999);  // The next question comes at once.
    const std::optional<JointResult> result = SolveUniformJoint(instance.profile, instance.problem, meter);
    const double best = BestOfAllMasks(instance);
    ASSERT_EQ(result.has_value(), std::isfinite(best)) << questions;
    if (!result) continue;
    EXPECT_LE(ExpectedBackwardCost(instance.profile, result->trainable, result->drop_rates),
              instance.problem.selection.backward_budget);
    EXPECT_TRUE(IsOneRate(instance.problem, result->drop_rates)) << questions;
    EXPECT_GE(result->upper_bound, best - 1e-9 * std::abs(best)) << questions;
  }
}

}  // namespace
}  // namespace greenplan
