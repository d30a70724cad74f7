#include "planner/core/knapsack/value_scale.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

namespace greenplan {
namespace {

// value * 2^exponent, rounded once.
double Scaled(double value, int exponent) {
  if (exponent < -1000 || exponent > 1000) return std::ldexp(value, exponent);
  const uint64_t bits = static_cast<uint64_t>(exponent + 1023) << 52;
  double factor;
  std::memcpy(&factor, &bits, sizeof(factor));
  return value * factor;
}

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
  for (double value : importance) {
    if (value > 0) sum += Scaled(value, -largest_exponent);
  }
  int sum_exponent = 0;
  std::frexp(sum, &sum_exponent);
  scale.exponent = largest_exponent + sum_exponent - 59;

  int64_t divisor = 0;
  for (size_t k = 0; k < importance.size(); ++k) {
    if (!(importance[k] > 0)) continue;
    const double exact = Scaled(importance[k], -scale.exponent);
    // From 2^52 on doubles are whole.
    scale.units[k] = std::max<int64_t>(1, static_cast<int64_t>(exact < 0x1p52 ? exact + 0.5 : exact));
    if (static_cast<double>(scale.units[k]) != exact) ++scale.rounded;
    if (divisor != 1) divisor = std::gcd(divisor, scale.units[k]);
  }
  scale.divisor = std::max<int64_t>(divisor, 1);
  if (scale.divisor > 1) {
    for (int64_t& units : scale.units) units /= scale.divisor;
  }
  return scale;
}

double ValueScale::UpperBound(int64_t sum) const {
  const auto raw = static_cast<double>(sum) * static_cast<double>(divisor);  // Each rounding is at most half an ulp.
  const double loose = (raw + static_cast<double>(rounded)) * (1 + 4 * std::numeric_limits<double>::epsilon());
  return std::ldexp(loose, exponent);
}

}  // namespace greenplan
