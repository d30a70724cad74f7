#include "trainer_client/session/drift_schedule.h"

#include <algorithm>
#include <cmath>

namespace greenplan::trainer {
namespace {

constexpr double kLeastIntervalInPrices = 10;
constexpr double kMostGrowth = 2;

}  // namespace

void DriftSchedule::AddRound(int64_t step, double price, std::optional<double> drift) {
  const double least = std::max(1.0, kLeastIntervalInPrices * price);
  double interval = least;
  const double steps_since = static_cast<double>(step - state_.last_round_step);
  if (drift.has_value() && steps_since > 0) {
    const double repaid = std::sqrt(2 * price * steps_since / *drift);  // Infinite without drift.
    interval = std::max(least, std::min(kMostGrowth * steps_since, repaid));
  }
  state_ = {.last_round_step = step, .next_round_step = step + static_cast<int64_t>(std::ceil(interval))};
}

}  // namespace greenplan::trainer
