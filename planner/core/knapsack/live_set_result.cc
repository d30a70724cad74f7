#include "planner/core/knapsack/live_set_result.h"

#include <algorithm>
#include <utility>

namespace greenplan {

LiveSetResult NothingFound(const std::vector<int64_t>& values) {
  LiveSetResult result;
  for (int64_t value : values) result.upper_bound += std::max<int64_t>(0, value);
  result.trainable.assign(values.size(), false);
  return result;
}

LiveSetResult BestOf(LiveSetResult a, LiveSetResult b) {
  const int64_t upper_bound = std::min(a.upper_bound, b.upper_bound);
  LiveSetResult best = b.value > a.value ? std::move(b) : std::move(a);
  best.upper_bound = std::max(upper_bound, best.value);
  return best;
}

}  // namespace greenplan
