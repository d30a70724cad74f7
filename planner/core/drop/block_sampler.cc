#include "planner/core/drop/block_sampler.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "absl/base/macros.h"

namespace greenplan {
namespace {

constexpr int kUnitBits = 62;

// The finaliser of SplitMix64: a bijection of 64-bit words that passes for random (Steele, Lea, Flood 2014).
uint64_t Mix(uint64_t word) {
  word += 0x9e3779b97f4a7c15;
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9;
  word = (word ^ (word >> 27)) * 0x94d049bb133111eb;
  return word ^ (word >> 31);
}

}  // namespace

BlockSampler::BlockSampler(const std::vector<double>& drop_rates, std::vector<int64_t> block_costs, uint64_t seed)
    : block_costs_(std::move(block_costs)), seed_(seed) {
  ABSL_ASSERT(drop_rates.size() == block_costs_.size());
  for (double rate : drop_rates) lengths_.push_back(static_cast<uint64_t>(std::ldexp(rate, kUnitBits)));
}

std::vector<bool> BlockSampler::Draw(uint64_t step) const {
  const uint64_t draw = Mix(Mix(seed_) ^ step);
  std::vector<std::tuple<int64_t, uint64_t, int>> order;
  for (int b = 0; b < static_cast<int>(lengths_.size()); ++b) {
    order.push_back({block_costs_[b], Mix(draw ^ Mix(static_cast<uint64_t>(b) + 1)), b});
  }
  std::sort(order.begin(), order.end());
  constexpr uint64_t kUnit = uint64_t{1} << kUnitBits;
  std::vector<bool> dropped(lengths_.size());
  uint64_t at = Mix(draw) % kUnit;  // Distance from the last point, in [0, 1).
  for (const auto& [cost, tie, b] : order) {
    at += lengths_[b];
    dropped[b] = at >= kUnit;
    if (at >= kUnit) at -= kUnit;
  }
  return dropped;
}

}  // namespace greenplan
