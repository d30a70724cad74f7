#include "planner/core/drop/drop_rates.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "planner/core/exact_sum.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

WorkMeter unlimited;

DropRateProblem RandomProblem(TestRandom& random) {
  DropRateProblem problem;
  const int n = 1 + random.Below(12);
  const int64_t largest = random.Chance(0.3) ? 10 : (random.Chance(0.5) ? 1000000007 : (int64_t{1} << 58));
  int64_t most = 0;
  for (int b = 0; b < n; ++b) {
    problem.block_costs.push_back(random.Chance(0.15) ? 0 : random.Cost(largest));
    problem.quadratic.push_back(random.Chance(0.3) ? 0 : std::exp(4 * random.Normal()));
    problem.linear.push_back(random.Chance(0.5) ? 0 : (random.Chance(0.1) ? -1 : 1) * std::exp(4 * random.Normal()));
    double low = 0, high = 1;
    if (random.Chance(0.5)) {
      low = random.Unit();
      high = low + (1 - low) * random.Unit();
    }
    problem.min_rates.push_back(low);
    problem.max_rates.push_back(high);
    ExactSum sum;
    sum.AddProduct(high, problem.block_costs.back());
    most += sum.Floor();
  }
  problem.required_skip = random.Chance(0.1) ? most : static_cast<int64_t>(random.Unit() * static_cast<double>(most));
  return problem;
}

double Magnitude(const DropRateProblem& problem) {
  double sum = 1e-9;
  for (double value : problem.linear) sum += std::abs(value);
  for (double value : problem.quadratic) sum += value;
  return sum;
}

void ExpectValid(const DropRateProblem& problem, const DropRates& result) {
  ExactSum sum;
  for (size_t b = 0; b < result.rates.size(); ++b) {
    EXPECT_GE(result.rates[b], problem.min_rates[b]);
    EXPECT_LE(result.rates[b], problem.max_rates[b]);
    sum.AddProduct(result.rates[b], problem.block_costs[b]);
  }
  EXPECT_GE(sum.Floor(), problem.required_skip);
  EXPECT_EQ(result.harm, HarmOf(problem, result.rates));
}

TEST(OptimalDropRates, ItsOwnBoundProvesItOptimal) {
  for (int seed = 0; seed < 20000; ++seed) {
    TestRandom random(seed);
    const DropRateProblem problem = RandomProblem(random);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const absl::StatusOr<DropRates> result = OptimalDropRates(problem, unlimited);
    ASSERT_TRUE(result.ok()) << result.status();
    ExpectValid(problem, *result);
    EXPECT_LE(result->lower_bound, result->harm);
    EXPECT_NEAR(result->lower_bound, result->harm, 1e-7 * Magnitude(problem));
    if (HasFailure()) return;
  }
}

// A second way, which shares nothing with the first: no exchange of skipped cost between two blocks helps.
TEST(OptimalDropRates, NoExchangeBetweenTwoBlocksLowersTheObjective) {
  for (int seed = 0; seed < 3000; ++seed) {
    TestRandom random(70000 + seed);
    const DropRateProblem problem = RandomProblem(random);
    const absl::StatusOr<DropRates> result = OptimalDropRates(problem, unlimited);
    ASSERT_TRUE(result.ok()) << result.status();
    const int n = static_cast<int>(problem.block_costs.size());
    for (int from = 0; from < n; ++from) {
      for (int to = 0; to < n; ++to) {
        if (from == to || problem.block_costs[from] == 0 || problem.block_costs[to] == 0) continue;
        for (double step : {1e-2, 1e-4}) {
          std::vector<double> rates = result->rates;
          rates[from] -= step * static_cast<double>(problem.block_costs[to]) /
                         static_cast<double>(std::max(problem.block_costs[from], problem.block_costs[to]));
          rates[to] += step * static_cast<double>(problem.block_costs[from]) /
                       static_cast<double>(std::max(problem.block_costs[from], problem.block_costs[to]));
          if (rates[from] < problem.min_rates[from] || rates[to] > problem.max_rates[to]) continue;
          ASSERT_GE(HarmOf(problem, rates), result->harm - 1e-9 * std::abs(result->harm)) << "seed " << seed;
        }
      }
    }
  }
}

// All blocks end between their bounds, so that each one suggests a multiplier.
DropRateProblem ManyBlocks(int n) {
  TestRandom random(7);
  DropRateProblem problem;
  for (int b = 0; b < n; ++b) {
    problem.block_costs.push_back(1000 + random.Below(1000));
    problem.linear.push_back(0);
    problem.quadratic.push_back(1 + random.Unit());
    problem.min_rates.push_back(0);
    problem.max_rates.push_back(1);
    problem.required_skip += 300;
  }
  return problem;
}

TEST(OptimalDropRates, TheBoundOfManyBlocksTakesAsMuchWorkAsTheRates) {
  const int n = 50000;
  const int64_t work = int64_t{1} << 40;
  const DropRateProblem problem = ManyBlocks(n);
  const StopFunction never;
  WorkMeter of_rates(work, never), of_both(work, never);
  ASSERT_TRUE(OptimalDropRatesWithoutBound(problem, of_rates).ok());
  const absl::StatusOr<DropRates> result = OptimalDropRates(problem, of_both);
  ASSERT_TRUE(result.ok());
  EXPECT_LE(work - of_both.left(), 2 * (work - of_rates.left()));
  EXPECT_NEAR(result->lower_bound, result->harm, 1e-9 * result->harm);
}

TEST(OptimalDropRates, AStopAtAnyTimeLeavesValidRatesWithABound) {
  const DropRateProblem problem = ManyBlocks(2000);
  for (int answered = 0; answered < 400; answered += 7) {
    int questions = 0;
    const StopFunction stop = [&] { return ++questions > answered; };
    WorkMeter meter(WorkMeter::kNoLimit, stop);
    const absl::StatusOr<DropRates> result = OptimalDropRates(problem, meter);
    ASSERT_TRUE(result.ok());
    ExpectValid(problem, *result);
    EXPECT_TRUE(std::isfinite(result->lower_bound));
    EXPECT_LE(result->lower_bound, result->harm);
  }
}

TEST(OptimalDropRates, TheRatesAreTheSameWithoutTheBound) {
  for (int seed = 0; seed < 1000; ++seed) {
    TestRandom random(90000 + seed);
    const DropRateProblem problem = RandomProblem(random);
    const absl::StatusOr<DropRates> with = OptimalDropRates(problem, unlimited);
    const absl::StatusOr<DropRates> without = OptimalDropRatesWithoutBound(problem, unlimited);
    ASSERT_TRUE(with.ok() && without.ok());
    EXPECT_EQ(with->rates, without->rates) << "seed " << seed;
    EXPECT_EQ(with->harm, without->harm) << "seed " << seed;
  }
}

// The rates that the multiplier gives skip less than required by a share of 1e-18, which no double tells from nothing.
// Raising one of them by the smallest step again and again takes years.
TEST(OptimalDropRates, WhatIsMissingMayBeTooLittleForADouble) {
  const double tiny = 1e-299;
  const DropRateProblem problems[] = {{.block_costs = {8000398, 5000134, 4000182},
                                       .linear = {0, 8.9593307376309012e-300, 0},
                                       .quadratic = {0.85584512732603701, 0, 1.1698978730083725e-300},
                                       .min_rates = {0, 0, 0},
                                       .max_rates = {1, 1, 1},
                                       .required_skip = 4653291},
                                      {.block_costs = {145, 649, 746},
                                       .linear = {tiny, tiny, tiny},
                                       .quadratic = {0.38152877815171049, 1.75e-300, 0.64422773461077354},
                                       .min_rates = {-0.0, -0.0, -0.0},
                                       .max_rates = {1, 1, 1},
                                       .required_skip = 25}};
  for (const DropRateProblem& problem : problems) {
    const absl::StatusOr<DropRates> result = OptimalDropRates(problem, unlimited);
    ASSERT_TRUE(result.ok()) << result.status();
    ExpectValid(problem, *result);
  }
}

TEST(UniformDropRates, IsTheLeastCommonRateAndNeverBetterThanTheOptimum) {
  for (int seed = 0; seed < 3000; ++seed) {
    TestRandom random(50000 + seed);
    const DropRateProblem problem = RandomProblem(random);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const absl::StatusOr<DropRates> uniform = UniformDropRates(problem, unlimited);
    ASSERT_TRUE(uniform.ok()) << uniform.status();
    ExpectValid(problem, *uniform);
    const absl::StatusOr<DropRates> optimal = OptimalDropRates(problem, unlimited);
    ASSERT_TRUE(optimal.ok());
    EXPECT_GE(uniform->harm, optimal->harm - 1e-9 * std::abs(optimal->harm));
    if (HasFailure()) return;
  }
}

TEST(UniformDropRates, DropsHalfOfTheCostAtOneHalf) {
  DropRateProblem problem{.block_costs = {7, 11, 0},
                          .linear = {0, 0, 0},
                          .quadratic = {1, 2, 3},
                          .min_rates = {0, 0, 0},
                          .max_rates = {1, 1, 1},
                          .required_skip = 9};
  const absl::StatusOr<DropRates> result = UniformDropRates(problem, unlimited);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->rates, (std::vector<double>{0.5, 0.5, 0.5}));
}

TEST(OptimalDropRates, FollowsCostOverSensitivity) {
  const DropRateProblem problem{.block_costs = {10, 10, 20},
                                .linear = {0, 0, 0},
                                .quadratic = {1, 2, 4},
                                .min_rates = {0, 0, 0},
                                .max_rates = {1, 1, 1},
                                .required_skip = 10};
  const absl::StatusOr<DropRates> result = OptimalDropRates(problem, unlimited);
  ASSERT_TRUE(result.ok());
  // p proportional to 10, 5, 5: 10 p_0 + 10 p_1 + 20 p_2 = 25 p_0 = 10.
  EXPECT_NEAR(result->rates[0], 0.4, 1e-15);
  EXPECT_NEAR(result->rates[1], 0.2, 1e-15);
  EXPECT_NEAR(result->rates[2], 0.2, 1e-15);
}

TEST(OptimalDropRates, WithoutSensitivitiesDropsEvenly) {
  const DropRateProblem problem{.block_costs = {10, 30},
                                .linear = {0, 0},
                                .quadratic = {0, 0},
                                .min_rates = {0, 0},
                                .max_rates = {1, 1},
                                .required_skip = 10};
  const absl::StatusOr<DropRates> result = OptimalDropRates(problem, unlimited);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->rates, (std::vector<double>{0.25, 0.25}));
}

TEST(OptimalDropRates, LinearHarmFillsTheCheapestBlocksFirst) {
  const DropRateProblem problem{.block_costs = {10, 10, 20},
                                .linear = {3, 1, 4},
                                .quadratic = {0, 0, 0},
                                .min_rates = {0, 0, 0},
                                .max_rates = {1, 0.5, 1},
                                .required_skip = 10};
  const absl::StatusOr<DropRates> result = OptimalDropRates(problem, unlimited);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->rates, (std::vector<double>{0, 0.5, 0.25}));
  EXPECT_EQ(result->harm, 1.5);
}

TEST(OptimalDropRates, SaysThatTheBoundsDoNotReachTheTarget) {
  const DropRateProblem problem{
      .block_costs = {10}, .linear = {0}, .quadratic = {1}, .min_rates = {0}, .max_rates = {0.5}, .required_skip = 6};
  const absl::StatusOr<DropRates> result = OptimalDropRates(problem, unlimited);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(result.status().message(),
            "budget: the drop rates would have to skip 6 of the blocks' cost; at max_drop_rate they skip 5");
}

}  // namespace
}  // namespace greenplan
