#ifndef GREENPLAN_PLANNER_CORE_DROP_DROP_RATES_H_
#define GREENPLAN_PLANNER_CORE_DROP_DROP_RATES_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// How often to skip each block in backward: minimise the harm
//
//   sum over blocks of linear_b * p_b + quadratic_b * p_b^2   subject to   sum of p_b * cost_b >= required_skip
//
// and min_b <= p_b <= max_b, exactly, not in steps. With a multiplier t >= 0 of the requirement the optimum is
// p_b = clamp((t * cost_b - linear_b) / (2 quadratic_b)), a jump from min_b to max_b at t = linear_b / cost_b if
// quadratic_b = 0; t is found among the at most 2 * num_blocks points where some rate starts or stops to rise. Blocks
// that jump at the same t, such as those that harm nothing, share one rate as far as their bounds let them, and no more
// is skipped than needed. Thread-safe, O(num_blocks log num_blocks).

// What each block costs, how much harm skipping it does, and how much has to be skipped. Costs are in cost_unit.
//
//   DropRateProblem problem{.block_costs = {30, 10}, .linear = {0, 0}, .quadratic = {2, 1},
//                           .min_rates = {0, 0}, .max_rates = {1, 1}, .required_skip = 20};
//   WorkMeter unlimited;
//   absl::StatusOr<DropRates> rates = OptimalDropRates(problem, unlimited);  // rates->rates[0] * 30 + ... >= 20
struct DropRateProblem {
  // What skipping each block saves, [num_blocks], >= 0, with a sum of at most 2^62.
  std::vector<int64_t> block_costs;

  // The harm of skipping block b at rate p is linear[b] * p + quadratic[b] * p^2. Both are [num_blocks] and finite, and
  // quadratic is >= 0.
  std::vector<double> linear;
  std::vector<double> quadratic;

  // Bounds on each rate, [num_blocks], with 0 <= min_rates[b] <= max_rates[b] <= 1.
  std::vector<double> min_rates;
  std::vector<double> max_rates;

  // The expected cost that must be skipped at least. The rates' doubles meet it exactly.
  int64_t required_skip = 0;
};

// Rates that meet the requirement, the harm they do, and how little harm is possible.
struct DropRates {
  std::vector<double> rates;  // [num_blocks]
  double harm = 0;
  // Proved: no rates do less harm. The rates are optimal as far as this comes near `harm`; where harms span hundreds of
  // orders of magnitude, rounding may keep it away.
  double lower_bound = 0;
};

// Returns the optimal rates together with a proved lower bound on the harm. If the meter's stop function fires
// meanwhile, it returns the lowest or the highest allowed rates, whichever of them meet the requirement, with a bound
// that holds. InvalidArgument if even the highest rates do not meet the requirement.
absl::StatusOr<DropRates> OptimalDropRates(const DropRateProblem& problem, WorkMeter& meter);

// Returns the same rates with a lower_bound of -infinity. It takes half the time, for callers that need no proof.
// InvalidArgument as above.
absl::StatusOr<DropRates> OptimalDropRatesWithoutBound(const DropRateProblem& problem, WorkMeter& meter);

// Returns the lowest rate that meets the requirement when all blocks share it, clamped to each block's own bounds.
// Since no other uniform rate is considered, lower_bound is the harm of the result itself. After a stop, the rate meets
// the requirement but need not be the lowest, and the bound is the harm of a rate that is too low. InvalidArgument as
// above.
absl::StatusOr<DropRates> UniformDropRates(const DropRateProblem& problem, WorkMeter& meter);

// Returns the harm of `rates` ([num_blocks]): the objective above, added up in the order of the blocks.
double HarmOf(const DropRateProblem& problem, const std::vector<double>& rates);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_DROP_DROP_RATES_H_
