#ifndef GREENPLAN_PLANNER_CORE_KNAPSACK_VALUE_SCALE_H_
#define GREENPLAN_PLANNER_CORE_KNAPSACK_VALUE_SCALE_H_

#include <cstdint>
#include <vector>

namespace greenplan {

// Importance as integers, so that a search adds and compares it exactly: value = units * 2^exponent * divisor.
//
// The unit is a power of two that leaves the sum of all positive importance below 2^60 units: 128 times finer than the
// double in which that sum is reported. Importance that is not a whole number of units is rounded to the nearest, to 1
// at least. A common divisor is taken out, so that ties among, say, whole numbers are seen as ties.
struct ValueScale {
  std::vector<int64_t> units;  // [num_tensors]; 0 for importance <= 0.
  int exponent = 0;
  int64_t divisor = 1;
  // How many were rounded: a sum may lack half as many raw units, or exceed by as many.
  int64_t rounded = 0;

  // Returns the scale for `importance` ([num_tensors], finite). Negative importance and 0 get 0 units: such tensors are
  // not worth selecting.
  static ValueScale Of(const std::vector<double>& importance);

  // Returns an upper bound on the sum of importance of any set of tensors of positive importance whose units sum to
  // `sum`. It accounts for the rounding of the units and for that of the sum of doubles.
  double UpperBound(int64_t sum) const;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_KNAPSACK_VALUE_SCALE_H_
