#include "planner/core/plan_writer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace greenplan {
namespace {

// The most work that finding the cheapest tensor may take: about a quarter of a second.
constexpr int64_t kMessageWork = 20'000'000;

std::string WhyNothing(const SelectionProblem& problem, const CheapestTensor& cheapest, int64_t forward_cost) {
  if (!cheapest.backward_cost) {
    return "no tensor is worth training: none that may train has an importance above 0";
  }
  if (cheapest.is_cut_short) return "no tensor fits; finding what the cheapest needs took too long";
  if (!cheapest.saved_bytes) {
    return absl::StrCat("no tensor fits: the cheapest needs ", forward_cost + *cheapest.backward_cost,
                        ", the budget is ", forward_cost + problem.backward_budget);
  }
  return absl::StrCat("no tensor fits: of those within the budget the least keeps ", *cheapest.saved_bytes,
                      " bytes for backward, max_saved_bytes is ", problem.max_saved_bytes.value_or(0));
}

}  // namespace

bool TrainsNothing(const Plan& plan) {
  return std::find(plan.trainable.begin(), plan.trainable.end(), true) == plan.trainable.end();
}

Plan PlanWriter::Describe(std::vector<bool> trainable, const PlanOptions& options, int64_t budget) const {
  const MaskCost cost = EvaluateMask(profile_, trainable);
  return Describe(cost, std::move(trainable), options, budget);
}

Plan PlanWriter::Describe(std::vector<bool> trainable, std::vector<double> rates, const PlanOptions& options,
                          int64_t budget) const {
  const CostByBlock costs = EvaluateMaskByBlock(profile_, trainable);
  MaskCost expected = costs.total;
  expected.backward_cost = ExpectedBackwardCost(costs, rates);
  Plan plan = Describe(expected, std::move(trainable), options, budget);
  plan.drop_rates = std::move(rates);
  return plan;
}

Plan PlanWriter::Describe(const MaskCost& cost, std::vector<bool> trainable, const PlanOptions& options,
                          int64_t budget) const {
  Plan plan;
  plan.method = options.method;
  plan.algorithm = options.algorithm;
  plan.seed = options.seed;
  plan.budget = budget;
  plan.full_cost = full_cost_;
  plan.predicted_backward_cost = cost.backward_cost;
  plan.predicted_cost = profile_.forward_cost + cost.backward_cost;
  plan.saved_bytes = cost.saved_bytes;
  plan.trainable = std::move(trainable);
  return plan;
}

Plan PlanWriter::Selection(const PlanOptions& options, const SelectionProblem& problem, SelectionResult result,
                           WorkMeter& meter, EmptyPlanCache& cache) const {
  Plan plan = Describe(std::move(result.trainable), options, BudgetOf(problem));
  plan.value = SelectionValue(plan.trainable, *problem.importance);
  // An empty plan that is not proved is one that a stop came before.
  if (result.proved && options.always.empty() && TrainsNothing(plan)) return Nothing(options, problem, meter, cache);
  plan.upper_bound = result.proved ? plan.value : std::max(result.upper_bound, plan.value);
  plan.status = result.proved ? PlanStatus::kOptimal : PlanStatus::kFeasible;
  if (!result.proved) {
    plan.message = options.algorithm == Algorithm::kDownscaled ? "the downscaled algorithm proves no optimum"
                                                               : "stopped before the proof";
  }
  return plan;
}

Plan PlanWriter::BestRatio(const PlanOptions& options, const SelectionProblem& problem, SelectionResult result,
                           WorkMeter& meter) const {
  EmptyPlanCache cache;
  const bool is_proved = result.proved;
  SelectionProblem without_limit = problem;
  without_limit.backward_budget = 0;
  Plan plan = Selection(options, without_limit, std::move(result), meter, cache);
  plan.budget = plan.predicted_cost;
  if (plan.status == PlanStatus::kOptimal && is_proved && plan.value <= 0) {
    plan.status = PlanStatus::kFeasible;
    plan.upper_bound = 0;
    plan.message = "the tensors of always train alone: no selection that holds them has a value above 0";
  }
  return plan;
}

Plan PlanWriter::Nothing(const PlanOptions& options, const SelectionProblem& problem, WorkMeter& meter,
                         EmptyPlanCache& cache) const {
  if (cache.plan.trainable.empty()) {
    cache.plan = Describe(std::vector<bool>(profile_.tensors.size(), false), options, 0);
  }
  if (!cache.cheapest) {
    std::vector<bool> candidates(problem.pins.size());
    for (size_t k = 0; k < candidates.size(); ++k) {
      candidates[k] = problem.pins[k] == Pin::kFree && (*problem.importance)[k] > 0;
    }
    WorkMeter share(kMessageWork, meter);
    cache.cheapest = FindCheapestTensor(profile_, candidates, problem.backward_budget, share);
  }
  Plan plan = cache.plan;
  plan.status = PlanStatus::kEmpty;
  plan.budget = BudgetOf(problem);
  plan.message = WhyNothing(problem, *cache.cheapest, profile_.forward_cost);
  return plan;
}

void PlanWriter::SetRates(std::vector<double> rates, Plan& plan) const {
  plan.drop_rates = std::move(rates);
  plan.predicted_backward_cost = ExpectedBackwardCost(profile_, plan.trainable, plan.drop_rates);
  plan.predicted_cost = profile_.forward_cost + plan.predicted_backward_cost;
}

void PlanWriter::SetValue(double value, double upper_bound, double tolerance, Plan& plan) {
  const bool is_closed = upper_bound - value <= tolerance * (1e-300 + std::abs(value));
  plan.value = value;
  plan.upper_bound = is_closed ? value : upper_bound;
  plan.status = is_closed ? PlanStatus::kOptimal : PlanStatus::kFeasible;
}

Plan PlanWriter::KeepPrevious(const PlanRequest& request, const PlanLimits& limits, Plan plan,
                              const std::function<double(const Plan&)>& value_of) const {
  const Plan* previous = request.previous;
  if (previous == nullptr || previous->trainable.size() != plan.trainable.size()) return plan;
  // A selection does not look at the rates of a plan that another method made.
  const bool drops = !limits.min_rates.empty();
  const bool is_per_cost = plan.method == Method::kSelection && !limits.budget;
  if (drops && previous->drop_rates.size() != plan.drop_rates.size()) return plan;
  if (previous->trainable == plan.trainable && (!drops || previous->drop_rates == plan.drop_rates)) return plan;
  const double value = value_of(*previous);
  const double least_gain = request.options->churn_threshold * std::abs(value);
  // Usually the new plan is better, and then the cost of the previous one need not be known.
  if (!is_per_cost && plan.value > value + least_gain) return plan;
  Plan kept = drops ? Describe(previous->trainable, previous->drop_rates, *request.options, plan.budget)
                    : Describe(previous->trainable, *request.options, plan.budget);
  // To compare values per cost, the new plan's value is brought to the cost of the plan in force.
  double scale = 1;
  if (is_per_cost) {
    // No value per cost is as high as that of a plan which costs nothing.
    if (plan.predicted_cost == 0 && kept.predicted_cost > 0) return plan;
    kept.budget = kept.predicted_cost;
    scale = static_cast<double>(std::max<int64_t>(1, kept.predicted_cost)) /
            static_cast<double>(std::max<int64_t>(1, plan.predicted_cost));
  }
  kept.status = PlanStatus::kFeasible;
  if (!CheckPlan(profile_, limits, kept).ok()) return plan;
  kept.value = value;
  if (is_per_cost && kept.value <= 0) return plan;
  if (plan.value * scale > kept.value + least_gain) return plan;
  const double upper_bound = std::min(plan.upper_bound * scale, std::numeric_limits<double>::max());
  kept.upper_bound = std::max(upper_bound, kept.value);
  if (kept.value >= upper_bound) {
    kept.status = PlanStatus::kOptimal;
  } else {
    kept.message = absl::StrCat("kept the previous plan: the best found has value ", plan.value, " against ",
                                kept.value, ", within the churn threshold");
  }
  return kept;
}

}  // namespace greenplan
