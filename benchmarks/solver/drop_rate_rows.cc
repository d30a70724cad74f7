#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "benchmarks/solver/measure.h"
#include "benchmarks/solver/published.h"
#include "benchmarks/solver/rows.h"
#include "planner/core/drop/drop_rates.h"
#include "planner/core/testing/random_profiles.h"
#include "tests/statistics/quantile.h"

namespace greenplan {

void PrintDropRateRows() {
  std::vector<double> ratios, speedups;
  int worse = 0;
  for (int seed = 0; seed < 200; ++seed) {
    TestRandom random(seed);
    DropRateProblem problem;
    constexpr int kBlocks = 160;
    int64_t total = 0;
    std::vector<double> sensitivity;
    for (int b = 0; b < kBlocks; ++b) {
      problem.block_costs.push_back(b % 2 == 0 ? 1000000000 : 2700000000);
      total += problem.block_costs.back();
      sensitivity.push_back(std::exp(random.Normal()));
    }
    problem.quadratic = sensitivity;
    problem.linear.assign(kBlocks, 0);
    problem.min_rates.assign(kBlocks, 0);
    problem.max_rates.assign(kBlocks, 1);
    const double rate = 0.3 + 0.5 * random.Unit();
    std::vector<double> greedy;
    const double slow = Microseconds([&] { greedy = DropBpRates(problem.block_costs, sensitivity, rate); });
    double skipped = 0;
    for (int b = 0; b < kBlocks; ++b) skipped += greedy[b] * static_cast<double>(problem.block_costs[b]);
    // Both have to skip the same cost: what the greedy allocation skips, but no more than the given rate demands.
    problem.required_skip = static_cast<int64_t>(std::min(skipped, rate * static_cast<double>(total)));
    double harm = 0;
    WorkMeter unlimited;
    const double fast = Microseconds([&] { harm = OptimalDropRates(problem, unlimited)->harm; });
    const double theirs = HarmOf(problem, greedy);
    ratios.push_back(theirs / harm);
    speedups.push_back(slow / fast);
    worse += harm > theirs * (1 + 1e-12) ? 1 : 0;
  }
  std::printf(
      "| drop rates, 160 blocks: the greedy in steps of 0.1 | its objective / ours | %.3f | %.3f | ours is worse "
      "in %d of 200; its time / ours %.1f |\n",
      Quantile(ratios, 0.5), Quantile(ratios, 0.9), worse, Quantile(speedups, 0.5));
}

}  // namespace greenplan
