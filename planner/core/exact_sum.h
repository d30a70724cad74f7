#ifndef GREENPLAN_PLANNER_CORE_EXACT_SUM_H_
#define GREENPLAN_PLANNER_CORE_EXACT_SUM_H_

#include <array>
#include <cstdint>

namespace greenplan {

// A sum of products rate * cost without any rounding: a fixed-point number with every bit below the point that a double
// in [0, 1] can have (the smallest is 2^-1074) and 64 bits above it. Fractional budgets are kept by this arithmetic.
class ExactSum {
 public:
  // Adds rate * cost. REQUIRES: 0 <= rate <= 1, 0 <= cost <= 2^62, and the sum stays below 2^63.
  void AddProduct(double rate, int64_t cost);

  // The sum, rounded down or up to a whole number.
  int64_t Floor() const { return static_cast<int64_t>(words_[kFractionWords]); }
  int64_t Ceiling() const;

  // Returns value - sum, rounded to a double: how far the sum is from reaching `value`.
  double DistanceTo(int64_t value) const;

 private:
  static constexpr int kFractionWords = 18;

  void AddAt(uint64_t value, int word);

  std::array<uint64_t, kFractionWords + 3> words_{};  // Least significant first.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_EXACT_SUM_H_
