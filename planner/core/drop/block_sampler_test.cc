#include "planner/core/drop/block_sampler.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "planner/core/testing/random_profiles.h"

namespace greenplan {
namespace {

struct Blocks {
  std::vector<double> rates;
  std::vector<int64_t> costs;
};

// Attention and feed-forward alternate, as in a transformer.
Blocks Alternating(int layers) {
  Blocks blocks;
  TestRandom random(5);
  for (int i = 0; i < 2 * layers; ++i) {
    blocks.rates.push_back(0.3 + 0.4 * random.Unit());
    blocks.costs.push_back(i % 2 == 0 ? 1000 : 2700);
  }
  return blocks;
}

TEST(BlockSampler, DropsEachBlockAtItsRate) {
  Blocks blocks = Alternating(12);
  blocks.rates[3] = 0;
  blocks.rates[4] = 1;
  const BlockSampler sampler(blocks.rates, blocks.costs, 7);
  constexpr int kSteps = 40000;
  std::vector<int> count(blocks.rates.size(), 0);
  for (int step = 0; step < kSteps; ++step) {
    const std::vector<bool> dropped = sampler.Draw(step);
    for (size_t b = 0; b < count.size(); ++b) count[b] += dropped[b] ? 1 : 0;
  }
  for (size_t b = 0; b < count.size(); ++b) {
    const double rate = blocks.rates[b];
    const double deviation = std::sqrt(rate * (1 - rate) / kSteps);
    EXPECT_NEAR(static_cast<double>(count[b]) / kSteps, rate, 5 * deviation) << b;
  }
}

TEST(BlockSampler, DroppedCostVariesFarLessThanWithIndependentDraws) {
  const Blocks blocks = Alternating(16);
  const BlockSampler sampler(blocks.rates, blocks.costs, 11);
  double mean = 0, independent = 0;
  for (size_t b = 0; b < blocks.rates.size(); ++b) {
    const auto cost = static_cast<double>(blocks.costs[b]);
    mean += blocks.rates[b] * cost;
    independent += blocks.rates[b] * (1 - blocks.rates[b]) * cost * cost;
  }
  double variance = 0;
  constexpr int kSteps = 5000;
  for (int step = 0; step < kSteps; ++step) {
    const std::vector<bool> dropped = sampler.Draw(step);
    double cost = -mean;
    for (size_t b = 0; b < dropped.size(); ++b) cost += dropped[b] ? static_cast<double>(blocks.costs[b]) : 0;
    variance += cost * cost / kSteps;
  }
  EXPECT_LT(variance, 0.1 * independent);
}

TEST(BlockSampler, DependsOnSeedAndStepAlone) {
  const Blocks blocks = Alternating(16);
  const BlockSampler one(blocks.rates, blocks.costs, 3), same(blocks.rates, blocks.costs, 3),
      other(blocks.rates, blocks.costs, 4);
  int differing = 0;
  for (int step = 0; step < 100; ++step) {
    EXPECT_EQ(one.Draw(step), same.Draw(step));
    differing += one.Draw(step) != other.Draw(step) ? 1 : 0;
  }
  EXPECT_GT(differing, 90);
}

}  // namespace
}  // namespace greenplan
