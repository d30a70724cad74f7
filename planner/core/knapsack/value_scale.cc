#include "planner/core/knapsack/value_scale.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace greenplan {
namespace {

// Multiplies by 2^exponent, rounding once.
class PowerOfTwo {
 public:
  explicit PowerOfTwo(int exponent)
      : exponent_(exponent), is_normal_(-1000 <= exponent && exponent <= 1000), factor_(std::ldexp(1.0, exponent)) {}

  double Times(double value) const { return is_normal_ ? value * factor_ : std::ldexp(value, exponent_); }

 private:
  int exponent_;
  bool is_normal_;  // Whether the factor is a double that has all bits.
  double factor_;
};

}  // namespace

ValueScale ValueScale::Of(const std::vector<double>& importance) {
  ValueScale scale;
  scale.units.assign(importance.size(), 0);
  double largest = 0;
  for (double value : importance) largest = std::max(largest, value);
  if (largest == 0) return scale;
  // The sum's binary order of magnitude, in units of 2^largest_exponent so that nothing overflows.
  int largest_exponent = 0;
  std::frexp(largest, &largest_exponent);
  double sum = 0;
  const PowerOfTwo to_largest(-largest_exponent);
  for (double value : importance) {
    if (value > 0) sum += to_largest.Times(value);
  }
  int sum_exponent = 0;
  std::frexp(sum, &sum_exponent);
  scale.exponent = largest_exponent + sum_exponent - 59;

  int64_t divisor = 0, rounded = 0;
  const PowerOfTwo to_units(-scale.exponent);
  auto units = scale.units.begin();
  for (const double value : importance) {
    if (value > 0) {
      const double exact = to_units.Times(value);
      // From 2^52 on doubles are whole.
      *units = std::max<int64_t>(1, static_cast<int64_t>(exact < 0x1p52 ? exact + 0.5 : exact));
      rounded += static_cast<double>(*units) != exact;
      if (divisor != 1) divisor = std::gcd(divisor, *units);
    }
    ++units;
  }
  scale.rounded = rounded;
  scale.divisor = std::max<int64_t>(divisor, 1);
  if (scale.divisor > 1) {
    for (int64_t& count : scale.units) count /= scale.divisor;
  }
  return scale;
}

double ValueScale::UpperBound(int64_t sum) const {
  const auto raw = static_cast<double>(sum) * static_cast<double>(divisor);  // Each rounding is at most half an ulp.
  const double loose = (raw + static_cast<double>(rounded)) * (1 + 4 * std::numeric_limits<double>::epsilon());
  return std::ldexp(loose, exponent);
}

}  // namespace greenplan
