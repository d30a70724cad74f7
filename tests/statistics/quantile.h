#ifndef GREENPLAN_TESTS_STATISTICS_QUANTILE_H_
#define GREENPLAN_TESTS_STATISTICS_QUANTILE_H_

#include <algorithm>
#include <cstddef>
#include <vector>

namespace greenplan {

// Returns the value below which the given share of `values` lies. A share of 0.5 gives the median, and 1 gives the
// largest value. For benchmarks and tests that measure. REQUIRES: `values` is not empty; `share` is in [0, 1].
inline double Quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())))];
}

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_STATISTICS_QUANTILE_H_
