#ifndef GREENPLAN_PLANNER_CORE_EXACT_SUM_H_
#define GREENPLAN_PLANNER_CORE_EXACT_SUM_H_

#include <array>
#include <cstdint>

namespace greenplan {

// A sum of products rate * cost that is free of rounding. It is a fixed-point number that has every bit which a double
// in [0, 1] can have below the point (the smallest such double is 2^-1074), and 64 bits above the point. The planner
// compares expected costs with budgets by this arithmetic, so no plan exceeds its budget through rounding.
//
// A plain value of 168 bytes; not thread-safe while it is added to.
class ExactSum {
 public:
  // Adds rate * cost exactly. REQUIRES: 0 <= rate <= 1, 0 <= cost <= 2^62, and the sum stays below 2^63.
  void AddProduct(double rate, int64_t cost);

  // Returns the sum rounded down to a whole number.
  int64_t Floor() const { return static_cast<int64_t>(words_[kFractionWords]); }
  // Returns the sum rounded up to a whole number.
  int64_t Ceiling() const;

  // Returns value - sum, rounded to a double: how far the sum is from reaching `value`. Negative if the sum exceeds it.
  double DistanceTo(int64_t value) const;

 private:
  static constexpr int kFractionWords = 18;

  void AddAt(uint64_t value, int word);

  std::array<uint64_t, kFractionWords + 3> words_{};  // Least significant first.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_EXACT_SUM_H_
