// Problems of any kind through the planner. A plan must keep its promises whatever the problem and whenever it is
// stopped, and must agree with trying all selections where those are the question.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/core/cost.h"
#include "planner/core/planner.h"
#include "tests/fuzz/byte_reader.h"
#include "tests/fuzz/plan_problem.h"
#include "tests/fuzz/require.h"

namespace greenplan {
namespace {

void CheckCost(const PlanProblem& problem, const Plan& plan) {
  const int64_t backward_cost = plan.drop_rates.empty()
                                    ? EvaluateMask(problem.profile, plan.trainable).backward_cost
                                    : ExpectedBackwardCost(problem.profile, plan.trainable, plan.drop_rates);
  Require(plan.predicted_cost == problem.profile.forward_cost + backward_cost,
          "predicted_cost is the cost of the plan");
  if (problem.options.method == Method::kFull || plan.status == PlanStatus::kEmpty) return;
  Require(plan.predicted_cost <= plan.budget, "the plan keeps its budget");
}

// REQUIRES: the plan is one of the best value per cost.
void CheckValuePerCost(const PlanProblem& problem, const Plan& plan, double tolerance) {
  const std::optional<double> best = BestValuePerCostByTryingAll(problem);
  const auto cost = static_cast<double>(std::max<int64_t>(1, plan.predicted_cost));
  // Tiny values beside large pinned ones are lost in the sum.
  if (!best || *best * cost <= tolerance) return;
  Require(plan.budget == plan.predicted_cost, "the budget is what the plan costs");
  // A step that costs nothing has any ratio.
  if (plan.predicted_cost == 0) return;
  const double slack = 1e-12 * *best * cost + tolerance * cost;
  Require(plan.value <= *best * cost + slack, "no plan has a higher value per cost than the best of all selections");
  Require(plan.upper_bound >= *best * cost - slack, "the bound holds for the best value per cost of all selections");
  if (plan.status != PlanStatus::kOptimal) return;
  Require(plan.value >= *best * cost - slack, "a plan that is called optimal has the best value per cost");
}

void CheckValue(const PlanProblem& problem, const Plan& plan) {
  Require(plan.value <= plan.upper_bound, "no value exceeds its bound");
  if (problem.options.method != Method::kSelection) return;
  const std::optional<double> best = BestValueByTryingAll(problem, plan);
  if (!best) return;
  double magnitude = 0;
  for (double value : problem.measurements.importance) magnitude += std::abs(value);
  const double tolerance = 1e-12 * magnitude;
  if (problem.options.budget.kind == Budget::Kind::kBestValuePerCost) CheckValuePerCost(problem, plan, tolerance);
  Require(plan.value <= *best + tolerance, "the plan is not better than the best of all selections");
  Require(plan.upper_bound >= *best - tolerance, "the bound holds for the best of all selections");
  if (plan.status == PlanStatus::kFeasible) return;
  Require(plan.value >= *best - tolerance, "a plan that is called optimal is the best of all selections");
}

void Check(const PlanProblem& problem, const absl::StatusOr<Plan>& plan) {
  if (!plan.ok()) {
    RequireRefusal(plan.status());
    return;
  }
  CheckCost(problem, *plan);
  CheckValue(problem, *plan);
}

void PlanAndCheck(ByteReader input) {
  const std::optional<PlanProblem> problem = ReadPlanProblem(input);
  if (!problem) return;
  const Planner planner(std::make_shared<ModelProfile>(problem->profile));
  PlanRequest request{.measurements = &problem->measurements, .options = &problem->options};

  // Stopped somewhere first: that must leave nothing behind that spoils the next plan.
  PlanRequest stopped = request;
  int questions_left = input.Below(8);
  stopped.should_stop = [&] { return questions_left-- <= 0; };
  Check(*problem, planner.MakePlan(stopped));

  const absl::StatusOr<Plan> plan = planner.MakePlan(request);
  Check(*problem, plan);
  if (!plan.ok()) return;

  PlanRequest again = request;
  again.previous = &*plan;
  Check(*problem, planner.MakePlan(again));

  const absl::StatusOr<std::vector<Plan>> curve = planner.MakeCurve(request, {problem->options.budget});
  Require(curve.ok() && curve->size() == 1, "a budget that has a plan has a point on the curve");
  Check(*problem, curve->front());
}

}  // namespace
}  // namespace greenplan

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  greenplan::PlanAndCheck(greenplan::ByteReader(data, size));
  return 0;
}
