#ifndef GREENPLAN_PLANNER_CORE_DROP_BLOCK_SAMPLER_H_
#define GREENPLAN_PLANNER_CORE_DROP_BLOCK_SAMPLER_H_

#include <cstdint>
#include <vector>

namespace greenplan {

// Draws which blocks a step drops: block b with probability drop_rates[b] exactly, and with nearly the same dropped
// cost in every step, where independent draws make step cost and peak memory jump.
//
//   const BlockSampler sampler(plan.drop_rates, BlockCosts(profile, plan.trainable), plan.seed);
//   std::vector<bool> dropped = sampler.Draw(step);
//
// Systematic sampling: the rates are laid end to end on a line, blocks by rising cost and equal ones shuffled, and a
// block is dropped iff one of the points u, u + 1, u + 2, ... falls on its piece, u uniform in [0, 1). Sorting by cost
// keeps blocks that alternate in the model (attention, feed-forward) from resonating with the points' distance.
//
// A draw depends on (rates, costs, seed, step) alone, so every rank draws the same. Rates are used to 2^-62.
// Thread-safe.
class BlockSampler {
 public:
  // REQUIRES: both are [num_blocks], rates in [0, 1].
  BlockSampler(const std::vector<double>& drop_rates, std::vector<int64_t> block_costs, uint64_t seed);

  // [num_blocks]: whether block b is dropped in this step.
  std::vector<bool> Draw(uint64_t step) const;

 private:
  std::vector<uint64_t> lengths_;  // [num_blocks] Rate in units of 2^-62.
  std::vector<int64_t> block_costs_;
  uint64_t seed_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_DROP_BLOCK_SAMPLER_H_
