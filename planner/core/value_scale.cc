#include "planner/core/value_scale.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace greenplan {

ValueScale ValueScale::Of(const std::vector<double>& importance) {
  ValueScale scale;
  scale.units.assign(importance.size(), 0);
  // The sum's binary order of magnitude, without overflow: that of the largest plus that of the count.
  double largest = 0;
  for (double value : importance) largest = std::max(largest, value);
  if (largest == 0) return scale;
  int largest_exponent = 0;
  std::frexp(largest, &largest_exponent);
  double sum = 0;  // In units of 2^largest_exponent: at most the count.
  for (double value : importance) {
    if (value > 0) sum += std::ldexp(value, -largest_exponent);
  }
  int sum_exponent = 0;
  std::frexp(sum, &sum_exponent);
  scale.exponent = largest_exponent + sum_exponent - 59;

  int64_t divisor = 0;
  for (size_t k = 0; k < importance.size(); ++k) {
    if (!(importance[k] > 0)) continue;
    const double exact = std::ldexp(importance[k], -scale.exponent);
    const double whole = std::max(1.0, std::nearbyint(exact));
    if (whole != exact) ++scale.rounded;
    scale.units[k] = static_cast<int64_t>(whole);
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
