#ifndef GREENPLAN_PLANNER_JOB_EXACT_MEAN_H_
#define GREENPLAN_PLANNER_JOB_EXACT_MEAN_H_

#include <array>
#include <cstdint>

namespace greenplan {

// The weighted mean of doubles, rounded once: the double nearest to sum(w x) / sum(w), ties to even. The sum is kept
// exactly, as a fixed-point number that has every bit which a double can have. So the order of the values does not
// matter, all replicas compute the same mean, and no sum overflows.
//
// A plain value of 304 bytes. Not thread-safe.
class ExactMean {
 public:
  // Adds one value with its weight. REQUIRES: `value` is finite, 1 <= weight < 2^63, and at most 2^31 values are added.
  void Add(double value, int64_t weight);

  // Returns whether anything was added.
  bool has_value() const { return total_weight_ != 0; }
  // Returns the mean, or 0 if nothing was added. Never returns -0.
  double Mean() const;

 private:
  // 1,074 bits below the point, 1,024 above it, 94 for the weights and one for the sign.
  static constexpr int kWords = 36;

  std::array<uint64_t, kWords> sum_{};  // In units of 2^-1074, two's complement, least significant word first.
  unsigned __int128 total_weight_ = 0;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_JOB_EXACT_MEAN_H_
