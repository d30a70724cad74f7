#ifndef GREENPLAN_PLANNER_CORE_DROP_BLOCK_SAMPLER_H_
#define GREENPLAN_PLANNER_CORE_DROP_BLOCK_SAMPLER_H_

#include <cstdint>
#include <vector>

namespace greenplan {

// Draws the blocks that a step drops. Block b is dropped with probability drop_rates[b], and the cost of the dropped
// blocks is nearly the same in every step. Independent draws would have the same probabilities, but step cost and peak
// memory would jump from step to step.
//
//   const BlockSampler sampler(plan.drop_rates, BlockCosts(profile, plan.trainable), plan.seed);
//   std::vector<bool> dropped = sampler.Draw(step);
//
// The method is systematic sampling. The blocks are sorted by rising cost, blocks of equal cost in an order drawn for
// the step, and their rates are laid end to end on a line. A block is dropped if and only if one of the points u, u +
// 1, u + 2, ... falls on its piece of the line, where u is uniform in [0, 1). Sorting by cost keeps blocks that
// alternate in the model (attention, feed-forward) from resonating with the distance between the points.
//
// A draw depends only on the rates, costs, seed and step, so all ranks that hold the same plan draw the same blocks
// without talking to each other, and a resumed run draws what the interrupted one would have drawn. Rates are rounded
// down to multiples of 2^-62.
//
// Thread-safe: Draw is const.
class BlockSampler {
 public:
  // `block_costs` are those of the plan's mask, in cost_unit; only their order matters. REQUIRES: `drop_rates` and
  // `block_costs` are both [num_blocks], and each rate is in [0, 1].
  BlockSampler(const std::vector<double>& drop_rates, std::vector<int64_t> block_costs, uint64_t seed);

  // Returns for each block whether step `step` drops it, [num_blocks]. O(num_blocks log num_blocks).
  std::vector<bool> Draw(uint64_t step) const;

 private:
  std::vector<uint64_t> lengths_;  // [num_blocks] Rate in units of 2^-62.
  std::vector<int64_t> block_costs_;
  uint64_t seed_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_DROP_BLOCK_SAMPLER_H_
