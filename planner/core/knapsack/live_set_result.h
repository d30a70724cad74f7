#ifndef GREENPLAN_PLANNER_CORE_KNAPSACK_LIVE_SET_RESULT_H_
#define GREENPLAN_PLANNER_CORE_KNAPSACK_LIVE_SET_RESULT_H_

#include <cstdint>
#include <vector>

namespace greenplan {

// What a search for the best selection returns, in the whole values of value_scale.h.
struct LiveSetResult {
  int64_t value = 0;            // Of `trainable`.
  int64_t upper_bound = 0;      // No selection is worth more. >= value; equal if the selection is proved optimal.
  std::vector<bool> trainable;  // [num_tensors]
};

// Returns the empty selection. Its bound is the total of all positive values, which no selection exceeds. values:
// [num_tensors].
LiveSetResult NothingFound(const std::vector<int64_t>& values);

// Returns the selection of higher value, `a` if both are equal, with the lower of the two bounds.
LiveSetResult BestOf(LiveSetResult a, LiveSetResult b);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_KNAPSACK_LIVE_SET_RESULT_H_
