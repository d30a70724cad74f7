#include "planner/core/drop/drop_rates.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <tuple>
#include <utility>

#include "absl/base/macros.h"
#include "absl/strings/str_cat.h"
#include "planner/core/exact_sum.h"

namespace greenplan {
namespace {

// The work of adding up the blocks' products exactly, for each block.
constexpr int64_t kBlockWork = 8;
// How often a rate is raised by what is missing. A few times are enough, unless less is missing than a double can tell.
constexpr int kTopUpSteps = 64;
// The most blocks that all dual bounds of one answer look at together. Up to 1,024 blocks, each one between its bounds
// suggests a multiplier; beyond that a sample of them does.
constexpr int64_t kMaxBoundBlocks = int64_t{1} << 20;

// Returns exactly what `rates` skip.
ExactSum SkippedBy(const DropRateProblem& problem, const std::vector<double>& rates) {
  ExactSum sum;
  for (size_t b = 0; b < rates.size(); ++b) sum.AddProduct(rates[b], problem.block_costs[b]);
  return sum;
}

bool Meets(const DropRateProblem& problem, const std::vector<double>& rates) {
  return problem.required_skip <= 0 || SkippedBy(problem, rates).Floor() >= problem.required_skip;
}

absl::Status CheckReachable(const DropRateProblem& problem) {
  if (Meets(problem, problem.max_rates)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("budget: the drop rates would have to skip ", problem.required_skip,
                                                 " of the blocks' cost; at max_drop_rate they skip ",
                                                 SkippedBy(problem, problem.max_rates).Floor()));
}

// A block's rate as the multiplier t rises: at min up to t = low, at max from t = high on, linear in between.
struct Ramp {
  int block;
  double low;
  double high;
  double min;
  double max;

  double At(double t) const {
    if (t <= low) return min;
    if (t >= high) return max;
    return std::clamp(min + (max - min) * ((t - low) / (high - low)), min, max);
  }
};

// Sets the rates of the ramps' blocks to those at t. `with_jumps`: ramps that jump at t itself are at their end.
void SetRatesAt(double t, bool with_jumps, const std::vector<Ramp>& ramps, std::vector<double>& rates) {
  for (const Ramp& ramp : ramps) {
    rates[ramp.block] = with_jumps && ramp.low == ramp.high && ramp.low == t ? ramp.max : ramp.At(t);
  }
}

// Returns least_t and all later points at which some ramp begins or ends, each once and ascending.
std::vector<double> TurnsFrom(double least_t, const std::vector<Ramp>& ramps) {
  std::vector<double> turns{least_t};
  for (const Ramp& ramp : ramps) {
    if (ramp.low > least_t) turns.push_back(ramp.low);
    if (ramp.high > least_t) turns.push_back(ramp.high);
  }
  std::sort(turns.begin(), turns.end());
  turns.erase(std::unique(turns.begin(), turns.end()), turns.end());
  return turns;
}

// Returns by how much more the rates skip per unit of t between two neighbouring turns.
double SlopeBetween(double from, double to, const DropRateProblem& problem, const std::vector<Ramp>& ramps) {
  double slope = 0;
  for (const Ramp& ramp : ramps) {
    if (ramp.low > from || ramp.high < to || ramp.low == ramp.high) continue;
    slope += (ramp.max - ramp.min) / (ramp.high - ramp.low) * static_cast<double>(problem.block_costs[ramp.block]);
  }
  return slope;
}

// Returns the ramps that jump at t, as ramps whose multiplier is the rate itself: the blocks then share one rate as far
// as their bounds let them.
std::vector<Ramp> JumpsAt(double t, const std::vector<Ramp>& ramps) {
  std::vector<Ramp> jumps;
  for (const Ramp& ramp : ramps) {
    if (ramp.low == ramp.high && ramp.low == t && ramp.max > ramp.min) {
      jumps.push_back({ramp.block, ramp.min, ramp.max, ramp.min, ramp.max});
    }
  }
  return jumps;
}

// Sets the rates of the ramps' blocks for the least t at which all rates together meet the requirement, but for
// rounding; t = least_t if they do there. If the meter's stop function fires, discard the rates. REQUIRES: they meet
// the requirement with every ramp at its end.
void ClimbRamps(const DropRateProblem& problem, const std::vector<Ramp>& ramps, double least_t, WorkMeter& meter,
                std::vector<double>& rates) {
  SetRatesAt(least_t, /*with_jumps=*/false, ramps, rates);
  if (Meets(problem, rates)) return;
  const std::vector<double> turns = TurnsFrom(least_t, ramps);
  // Between two turns all rates are linear in t; whether a turn is far enough is decided exactly.
  const auto enough = std::partition_point(turns.begin(), turns.end() - 1, [&](double t) {
    meter.Spend(kBlockWork * static_cast<int64_t>(rates.size()));
    if (meter.stopped()) return false;
    SetRatesAt(t, /*with_jumps=*/true, ramps, rates);
    return !Meets(problem, rates);
  });
  if (meter.stopped()) return;
  SetRatesAt(*enough, /*with_jumps=*/false, ramps, rates);
  if (!Meets(problem, rates)) {
    // What jumps at *enough goes as far as needed, all together.
    const std::vector<Ramp> jumps = JumpsAt(*enough, ramps);
    if (!jumps.empty()) ClimbRamps(problem, jumps, 0, meter, rates);
    return;
  }
  if (enough == turns.begin()) return;
  const double from = *(enough - 1);
  SetRatesAt(from, /*with_jumps=*/true, ramps, rates);
  const double slope = SlopeBetween(from, *enough, problem, ramps);
  const double missing = SkippedBy(problem, rates).DistanceTo(problem.required_skip);
  const double t = slope > 0 ? std::clamp(from + missing / slope, from, *enough) : *enough;
  SetRatesAt(t, /*with_jumps=*/true, ramps, rates);
}

// Raises the rate of block `b` to the least double with which the rates meet the requirement. REQUIRES: its maximum
// does.
void RaiseToLeastThatMeets(const DropRateProblem& problem, int b, std::vector<double>& rates) {
  // The bits of doubles from 0 up are in their order. Adding 0 makes 0 of -0.
  auto too_low = std::bit_cast<uint64_t>(rates[b] + 0.0);
  auto enough = std::bit_cast<uint64_t>(problem.max_rates[b]);
  if (Meets(problem, rates)) return;
  while (enough - too_low > 1) {
    const uint64_t middle = too_low + (enough - too_low) / 2;
    rates[b] = std::bit_cast<double>(middle);
    (Meets(problem, rates) ? enough : too_low) = middle;
  }
  rates[b] = std::bit_cast<double>(enough);
}

// Raises rates by what rounding left missing, unless a stop comes before that: blocks of highest cost first, those
// between their bounds before others.
void TopUp(const DropRateProblem& problem, WorkMeter& meter, std::vector<double>& rates) {
  if (Meets(problem, rates)) return;
  std::vector<int> order;
  for (int b = 0; b < static_cast<int>(rates.size()); ++b) {
    if (problem.block_costs[b] > 0 && rates[b] < problem.max_rates[b]) order.push_back(b);
  }
  const auto key = [&](int b) { return std::make_tuple(rates[b] <= problem.min_rates[b], -problem.block_costs[b], b); };
  std::vector<std::tuple<bool, int64_t, int>> keys;
  for (int b : order) keys.push_back(key(b));
  std::sort(keys.begin(), keys.end());
  // All but the last of those that have to be raised end at their maximum.
  const auto with_raised = [&](size_t count) {
    std::vector<double> raised = rates;
    for (size_t i = 0; i < count; ++i) raised[std::get<int>(keys[i])] = problem.max_rates[std::get<int>(keys[i])];
    return raised;
  };
  size_t too_few = 0, enough = keys.size();
  while (enough - too_few > 1) {
    meter.Spend(kBlockWork * static_cast<int64_t>(rates.size()));
    if (meter.stopped()) return;
    const size_t middle = too_few + (enough - too_few) / 2;
    (Meets(problem, with_raised(middle)) ? enough : too_few) = middle;
  }
  rates = with_raised(too_few);
  const int last = std::get<int>(keys[too_few]);
  for (int step = 0; step < kTopUpSteps; ++step) {
    if (Meets(problem, rates)) return;
    ABSL_ASSERT(rates[last] < problem.max_rates[last]);
    const double missing = SkippedBy(problem, rates).DistanceTo(problem.required_skip);
    const double raised = rates[last] + std::max(missing, 0.0) / static_cast<double>(problem.block_costs[last]);
    rates[last] = std::min(problem.max_rates[last], std::nextafter(raised, 2.0));
  }
  RaiseToLeastThatMeets(problem, last, rates);
}

// The least harm of block b at multiplier t, less t times what it then skips.
double PricedHarm(const DropRateProblem& problem, int b, double t, double& magnitude) {
  const double gain = t * static_cast<double>(problem.block_costs[b]);
  const double slope = problem.linear[b] - gain;
  const double quadratic = problem.quadratic[b];
  double p = slope < 0 ? problem.max_rates[b] : problem.min_rates[b];
  if (quadratic > 0) p = std::clamp(-slope / (2 * quadratic), problem.min_rates[b], problem.max_rates[b]);
  magnitude += std::abs(problem.linear[b] * p) + quadratic * p * p + gain * p;
  return slope * p + quadratic * p * p;
}

// Whatever the rates, harm >= t * required_skip + sum over blocks of their priced harm.
double DualBound(const DropRateProblem& problem, double t) {
  double bound = t * static_cast<double>(problem.required_skip);
  double magnitude = std::abs(bound);
  const int n = static_cast<int>(problem.block_costs.size());
  for (int b = 0; b < n; ++b) bound += PricedHarm(problem, b, t, magnitude);
  // p is within rounding of the minimiser, and each sum within rounding.
  return bound - 4 * (n + 4) * std::numeric_limits<double>::epsilon() * magnitude;
}

// The multipliers that the rates suggest: 0, the marginal harm per cost of blocks between their bounds (equal but for
// rounding, so that a sample of them does), the highest of the blocks at their maximum, and the lowest of those at
// their minimum.
std::vector<double> SuggestedMultipliers(const DropRateProblem& problem, const std::vector<double>& rates) {
  std::vector<double> between;
  double highest_at_max = 0;
  double lowest_at_min = std::numeric_limits<double>::infinity();
  for (size_t b = 0; b < rates.size(); ++b) {
    if (problem.block_costs[b] == 0 || problem.min_rates[b] == problem.max_rates[b]) continue;
    const double marginal = std::max(
        0.0, (problem.linear[b] + 2 * problem.quadratic[b] * rates[b]) / static_cast<double>(problem.block_costs[b]));
    if (rates[b] == problem.max_rates[b]) {
      highest_at_max = std::max(highest_at_max, marginal);
    } else if (rates[b] == problem.min_rates[b]) {
      lowest_at_min = std::min(lowest_at_min, marginal);
    } else {
      between.push_back(marginal);
    }
  }
  std::vector<double> multipliers = {0, highest_at_max};
  if (std::isfinite(lowest_at_min)) multipliers.push_back(lowest_at_min);
  const size_t most = kMaxBoundBlocks / std::max<size_t>(1, rates.size()) + 1;
  const size_t count = std::min(between.size(), most);
  for (size_t i = 0; i < count; ++i) multipliers.push_back(between[i * between.size() / count]);
  return multipliers;
}

// The best bound of those multipliers. After a stop, that of the first ones.
double BestDualBound(const DropRateProblem& problem, const std::vector<double>& rates, WorkMeter& meter) {
  double best = -std::numeric_limits<double>::infinity();
  for (double t : SuggestedMultipliers(problem, rates)) {
    best = std::max(best, DualBound(problem, t));
    meter.Spend(static_cast<int64_t>(rates.size()));
    if (meter.stopped()) break;
  }
  return best;
}

// The power of two by which all harms can be scaled so that the largest is about 1 and neither their products nor their
// sums leave a double's range. Scaling by it changes no rate: unless a harm becomes too small beside the largest to
// matter, every rounding stays the same.
int ScaleOf(const DropRateProblem& problem) {
  double largest = 0;
  for (size_t b = 0; b < problem.linear.size(); ++b) {
    largest = std::max({largest, std::abs(problem.linear[b]), problem.quadratic[b]});
  }
  int exponent = 0;
  if (largest > 0) std::frexp(largest, &exponent);
  return exponent;
}

DropRateProblem ScaledBy(DropRateProblem problem, int exponent) {
  for (double& harm : problem.linear) harm = std::ldexp(harm, exponent);
  for (double& harm : problem.quadratic) harm = std::ldexp(harm, exponent);
  return problem;
}

// Scales a bound back. What rounding may add where the result is subnormal is taken off again.
double ScaledBound(double bound, int exponent) {
  const double result = std::ldexp(bound, exponent);
  const bool is_exact = std::ldexp(result, -exponent) == bound;
  return is_exact ? result : std::nextafter(result, -std::numeric_limits<double>::infinity());
}

DropRates Result(const DropRateProblem& problem, std::vector<double> rates) {
  DropRates result{.lower_bound = -std::numeric_limits<double>::infinity()};
  result.harm = HarmOf(problem, rates);
  result.rates = std::move(rates);
  return result;
}

// Returns rates that can be had at once, after a stop.
std::vector<double> AtOnceRates(const DropRateProblem& problem) {
  return Meets(problem, problem.min_rates) ? problem.min_rates : problem.max_rates;
}

DropRates AtOnce(const DropRateProblem& problem) {
  DropRates result = Result(problem, AtOnceRates(problem));
  const int scale = ScaleOf(problem);
  result.lower_bound = std::min(result.harm, ScaledBound(DualBound(ScaledBy(problem, -scale), 0), scale));
  return result;
}

}  // namespace

double HarmOf(const DropRateProblem& problem, const std::vector<double>& rates) {
  double sum = 0;
  for (size_t b = 0; b < rates.size(); ++b) {
    sum += problem.linear[b] * rates[b] + problem.quadratic[b] * rates[b] * rates[b];
  }
  return sum;
}

absl::StatusOr<DropRates> OptimalDropRates(const DropRateProblem& problem, WorkMeter& meter) {
  absl::StatusOr<DropRates> result = OptimalDropRatesWithoutBound(problem, meter);
  if (!result.ok()) return result;
  if (meter.stopped()) return AtOnce(problem);
  const int scale = ScaleOf(problem);
  const double bound = BestDualBound(ScaledBy(problem, -scale), result->rates, meter);
  result->lower_bound = std::min(result->harm, ScaledBound(bound, scale));
  return result;
}

absl::StatusOr<DropRates> OptimalDropRatesWithoutBound(const DropRateProblem& unscaled, WorkMeter& meter) {
  meter.Spend(kBlockWork * static_cast<int64_t>(unscaled.block_costs.size()));
  if (absl::Status status = CheckReachable(unscaled); !status.ok()) return status;
  const int scale = ScaleOf(unscaled);
  const DropRateProblem problem = ScaledBy(unscaled, -scale);
  std::vector<double> rates = problem.min_rates;
  std::vector<Ramp> ramps;
  for (int b = 0; b < static_cast<int>(rates.size()); ++b) {
    if (problem.block_costs[b] == 0 && problem.linear[b] >= 0) continue;
    // A block without cost takes the rate that does the least harm: its ramp ends at t = 0.
    const double cost = std::max(1.0, static_cast<double>(problem.block_costs[b]));
    const double low = (problem.linear[b] + 2 * problem.quadratic[b] * problem.min_rates[b]) / cost;
    const double high = (problem.linear[b] + 2 * problem.quadratic[b] * problem.max_rates[b]) / cost;
    if (problem.block_costs[b] > 0) {
      ramps.push_back({b, low, high, problem.min_rates[b], problem.max_rates[b]});
    } else if (low < 0) {
      const Ramp ramp{b, low, high, problem.min_rates[b], problem.max_rates[b]};
      rates[b] = low == high ? ramp.max : ramp.At(0);
    }
  }
  ClimbRamps(problem, ramps, 0, meter, rates);
  if (!meter.stopped()) TopUp(problem, meter, rates);
  if (meter.stopped()) rates = AtOnceRates(unscaled);
  return Result(unscaled, std::move(rates));
}

absl::StatusOr<DropRates> UniformDropRates(const DropRateProblem& problem, WorkMeter& meter) {
  if (absl::Status status = CheckReachable(problem); !status.ok()) return status;
  const auto clamped = [&](double rate) {
    std::vector<double> rates(problem.block_costs.size());
    for (size_t b = 0; b < rates.size(); ++b) {
      rates[b] = std::clamp(rate, problem.min_rates[b], problem.max_rates[b]);
    }
    return rates;
  };
  // The least double that meets the requirement, by bisection over the doubles of [0, 1].
  double low = 0, high = 1;
  if (Meets(problem, clamped(0))) high = 0;
  while (std::nextafter(low, 2.0) < high && !meter.stopped()) {
    meter.Spend(kBlockWork * static_cast<int64_t>(problem.block_costs.size()));
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    (Meets(problem, clamped(middle)) ? high : low) = middle;
  }
  DropRates result = Result(problem, clamped(high));
  result.lower_bound = meter.stopped() ? HarmOf(problem, clamped(low)) : result.harm;
  return result;
}

}  // namespace greenplan
