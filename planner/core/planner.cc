#include "planner/core/planner.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "planner/core/cost.h"
#include "planner/core/dead_ends.h"
#include "planner/core/drop/drop_rates.h"
#include "planner/core/invalid_argument.h"
#include "planner/core/joint/joint.h"
#include "planner/core/plan_check.h"
#include "planner/core/plan_problems.h"
#include "planner/core/selection/cheapest_tensor.h"
#include "planner/core/selection/selection.h"

namespace greenplan {
namespace {

bool TrainsNothing(const Plan& plan) {
  return std::find(plan.trainable.begin(), plan.trainable.end(), true) == plan.trainable.end();
}

// The sums that make up a value and its bound are rounded: a gap this small is none.
bool IsClosed(double value, double upper_bound, double tolerance) {
  return upper_bound - value <= tolerance * (1e-300 + std::abs(value));
}

// Whether one rate for all blocks, clamped to each block's bounds, gives `rates`.
bool IsUniform(const std::vector<double>& rates, const PlanLimits& limits) {
  double least = 0, most = 1;
  for (size_t b = 0; b < rates.size(); ++b) {
    if (rates[b] > limits.min_rates[b]) least = std::max(least, rates[b]);
    if (rates[b] < limits.max_rates[b]) most = std::min(most, rates[b]);
  }
  return least <= most;
}

}  // namespace

class Planner::Impl {
 public:
  explicit Impl(std::shared_ptr<const ModelProfile> profile)
      : profile_(std::move(profile)), solved_(WithoutDeadEnds(profile_)), problems_(*profile_), selection_(*solved_) {}

  const ModelProfile& profile() const { return *profile_; }

  // No plan leaves this class but through here and MakeCurve, which check it.
  absl::StatusOr<Plan> MakePlan(const PlanRequest& request, const Budget& budget) const {
    const PlanLimits limits = problems_.Limits(request, budget);
    return Checked(MakeUncheckedPlan(request, budget, limits), limits);
  }

  absl::StatusOr<std::vector<Plan>> MakeCurve(const PlanRequest& request, const std::vector<Budget>& budgets) const {
    const bool shares_work = request.options->method == Method::kSelection &&
                             request.options->algorithm == Algorithm::kExact && request.previous == nullptr;
    std::vector<Plan> plans(budgets.size());
    std::vector<size_t> shared;
    std::vector<int64_t> backward_budgets;
    std::optional<SelectionProblem> problem;
    for (size_t i = 0; i < budgets.size(); ++i) {
      if (shares_work && !budgets[i].max_saved_bytes) {
        absl::StatusOr<SelectionProblem> one = problems_.Selection(request, budgets[i]);
        if (!one.ok()) return one.status();
        if (one->backward_budget < 0) {
          plans[i] = NothingFits(request, *one);
          continue;
        }
        shared.push_back(i);
        backward_budgets.push_back(one->backward_budget);
        problem = *std::move(one);
        continue;
      }
      absl::StatusOr<Plan> plan = MakePlan(request, budgets[i]);
      if (!plan.ok()) return plan.status();
      plans[i] = *std::move(plan);
    }
    if (shared.empty()) return plans;
    problem->work_limit /= kCurveWorkShare;
    std::vector<SelectionResult> results = selection_.SolveCurve(*problem, backward_budgets);
    PlanLimits limits = problems_.Limits(request, budgets[shared.front()]);
    for (size_t i = 0; i < shared.size(); ++i) {
      problem->backward_budget = backward_budgets[i];
      limits.budget = BudgetOf(*problem);
      absl::StatusOr<Plan> plan = Checked(FinishSelection(request, *problem, limits, std::move(results[i])), limits);
      if (!plan.ok()) return plan.status();
      plans[shared[i]] = *std::move(plan);
    }
    return plans;
  }

 private:
  // A point of a curve may take this share of a plan's work.
  static constexpr int kCurveWorkShare = 64;
  // What a gap may come to, relative to the value, by rounding alone.
  static constexpr double kDropTolerance = 1e-9;
  static constexpr double kJointTolerance = 1e-11;

  absl::StatusOr<Plan> MakeUncheckedPlan(const PlanRequest& request, const Budget& budget,
                                         const PlanLimits& limits) const {
    switch (request.options->method) {
      case Method::kFull:
        return FullPlan(*request.options);
      case Method::kSelection:
        return SelectionPlan(request, budget, limits);
      case Method::kDrop:
        return DropPlan(request, budget, limits);
      case Method::kJoint:
        return JointPlan(request, budget, limits);
    }
    return absl::InternalError("unknown method");
  }

  absl::StatusOr<Plan> Checked(absl::StatusOr<Plan> plan, const PlanLimits& limits) const {
    if (!plan.ok()) return plan;
    if (absl::Status status = CheckPlan(*profile_, limits, *plan); !status.ok()) return status;
    return plan;
  }

  // A plan for `trainable` with everything that follows from it.
  Plan Describe(std::vector<bool> trainable, const PlanOptions& options, int64_t budget) const {
    Plan plan;
    plan.method = options.method;
    plan.algorithm = options.algorithm;
    plan.seed = options.seed;
    plan.budget = budget;
    plan.full_cost = problems_.full_cost();
    const MaskCost cost = EvaluateMask(*profile_, trainable);
    plan.predicted_backward_cost = cost.backward_cost;
    plan.predicted_cost = profile_->forward_cost + cost.backward_cost;
    plan.saved_bytes = cost.saved_bytes;
    plan.trainable = std::move(trainable);
    return plan;
  }

  Plan FullPlan(const PlanOptions& options) const {
    std::vector<bool> trainable = FullMask(*profile_);
    for (int k : options.never) trainable[k] = false;
    Plan plan = Describe(std::move(trainable), options, 0);
    plan.status = PlanStatus::kOptimal;
    if (TrainsNothing(plan)) {
      plan.status = PlanStatus::kEmpty;
      plan.message = "no tensor may train: never names every tensor that the loss reaches";
    }
    return plan;
  }

  absl::StatusOr<Plan> SelectionPlan(const PlanRequest& request, const Budget& budget, const PlanLimits& limits) const {
    absl::StatusOr<SelectionProblem> problem = problems_.Selection(request, budget);
    if (!problem.ok()) return problem.status();
    if (problem->backward_budget < 0) return NothingFits(request, *problem);
    return FinishSelection(request, *problem, limits, selection_.Solve(*problem));
  }

  // Forward + backward.
  int64_t BudgetOf(const SelectionProblem& problem) const { return profile_->forward_cost + problem.backward_budget; }

  Plan NothingFits(const PlanRequest& request, const SelectionProblem& problem) const {
    std::vector<bool> nothing(profile_->tensors.size(), false);
    return Empty(Describe(std::move(nothing), *request.options, BudgetOf(problem)), problem);
  }

  Plan FinishSelection(const PlanRequest& request, const SelectionProblem& problem, const PlanLimits& limits,
                       SelectionResult result) const {
    const PlanOptions& options = *request.options;
    Plan plan = Describe(std::move(result.trainable), options, BudgetOf(problem));
    plan.value = SelectionValue(plan.trainable, *problem.importance);
    plan.upper_bound = result.proved ? plan.value : std::max(result.upper_bound, plan.value);
    plan.status = result.proved ? PlanStatus::kOptimal : PlanStatus::kFeasible;
    if (!result.proved) {
      plan.message = options.algorithm == Algorithm::kDownscaled ? "the downscaled algorithm proves no optimum"
                                                                 : "stopped before the proof";
    }
    // An empty plan that is not proved is one that a stop came before.
    if (TrainsNothing(plan) && result.proved && options.always.empty()) return Empty(std::move(plan), problem);
    return KeepPrevious(request, limits, std::move(plan),
                        [&](const Plan& previous) { return SelectionValue(previous.trainable, *problem.importance); });
  }

  // REQUIRES: the budget is of `method`'s kind.
  absl::StatusOr<Plan> DropPlan(const PlanRequest& request, const Budget& budget, const PlanLimits& limits) const {
    const PlanOptions& options = *request.options;
    std::vector<bool> trainable = FullMask(*profile_);
    for (int k : options.never) trainable[k] = false;
    const DropRateProblem problem = problems_.DropRates(request, budget, trainable);
    Plan plan = Describe(std::move(trainable), options, 0);
    plan.budget = plan.predicted_cost - problem.required_skip;
    if (TrainsNothing(plan)) {
      plan.drop_rates = problem.min_rates;
      plan.message = "no tensor may train: never names every tensor that the loss reaches";
      return plan;
    }
    if (budget.max_saved_bytes && plan.saved_bytes > *budget.max_saved_bytes) {
      return InvalidArgument("budget.max_saved_bytes", " is ", *budget.max_saved_bytes,
                             "; what method drop trains keeps ", plan.saved_bytes, " bytes");
    }
    absl::StatusOr<DropRates> rates =
        options.allocation == Allocation::kUniform ? UniformDropRates(problem) : OptimalDropRates(problem);
    if (!rates.ok()) {
      return WithField(
          absl::InvalidArgumentError(absl::StrCat(rates.status().message(), "; the budget is ", plan.budget)),
          "budget");
    }
    SetRates(std::move(rates->rates), plan);
    SetValue(0 - rates->harm, 0 - rates->lower_bound, kDropTolerance, plan);
    if (plan.status == PlanStatus::kFeasible) {
      plan.message = "rounding keeps the proof open: upper_bound says how far the rates may be from the optimum";
    }
    if (options.allocation == Allocation::kUniform && request.previous != nullptr &&
        !IsUniform(request.previous->drop_rates, limits)) {
      return plan;
    }
    return KeepPrevious(request, limits, std::move(plan),
                        [&](const Plan& previous) { return 0 - HarmOf(problem, previous.drop_rates); });
  }

  absl::StatusOr<Plan> JointPlan(const PlanRequest& request, const Budget& budget_asked,
                                 const PlanLimits& limits) const {
    const PlanOptions& options = *request.options;
    absl::StatusOr<JointProblem> problem = problems_.Joint(request, budget_asked);
    if (!problem.ok()) return problem.status();
    if (problem->selection.backward_budget < 0 && options.always.empty()) {
      Plan plan = NothingFits(request, problem->selection);
      plan.drop_rates = problem->min_rates;
      return plan;
    }
    const int64_t budget = BudgetOf(problem->selection);
    std::optional<JointResult> found = SolveJoint(*solved_, *problem);
    if (!found) {
      return InvalidArgument("always", ": the pinned tensors alone exceed the budget ", budget,
                             " or max_saved_bytes at max_drop_rate");
    }
    Plan plan = Describe(std::move(found->trainable), options, budget);
    SetRates(std::move(found->drop_rates), plan);
    if (options.always.empty() && TrainsNothing(plan)) {
      plan = Empty(std::move(plan), problem->selection);
      plan.value = found->value;
      plan.upper_bound = found->upper_bound;
      return plan;
    }
    SetValue(found->value, found->upper_bound, kJointTolerance, plan);
    if (plan.status == PlanStatus::kFeasible) {
      plan.message = "the best of several starts; upper_bound says how far it may be from the optimum";
    }
    return KeepPrevious(request, limits, std::move(plan), [&](const Plan& previous) {
      return JointValue(*profile_, *problem, previous.trainable, previous.drop_rates);
    });
  }

  // Optimal if the bound proves it.
  static void SetValue(double value, double upper_bound, double tolerance, Plan& plan) {
    const bool is_closed = IsClosed(value, upper_bound, tolerance);
    plan.value = value;
    plan.upper_bound = is_closed ? value : upper_bound;
    plan.status = is_closed ? PlanStatus::kOptimal : PlanStatus::kFeasible;
  }

  void SetRates(std::vector<double> rates, Plan& plan) const {
    plan.drop_rates = std::move(rates);
    plan.predicted_backward_cost = ExpectedBackwardCost(*profile_, plan.trainable, plan.drop_rates);
    plan.predicted_cost = profile_->forward_cost + plan.predicted_backward_cost;
  }

  // Why nothing is selected.
  Plan Empty(Plan plan, const SelectionProblem& problem) const {
    plan.status = PlanStatus::kEmpty;
    plan.value = 0;
    plan.upper_bound = 0;
    std::vector<bool> candidates(problem.pins.size());
    for (size_t k = 0; k < candidates.size(); ++k) {
      candidates[k] = problem.pins[k] == Pin::kFree && (*problem.importance)[k] > 0;
    }
    const CheapestTensor cheapest = FindCheapestTensor(*solved_, candidates, problem.backward_budget);
    if (!cheapest.backward_cost) {
      plan.message = "no tensor is worth training: none that may train has an importance above 0";
    } else if (!cheapest.saved_bytes) {
      plan.message = absl::StrCat("no tensor fits: the cheapest needs ",
                                  profile_->forward_cost + *cheapest.backward_cost, ", the budget is ", plan.budget);
    } else {
      plan.message = absl::StrCat("no tensor fits: of those within the budget the least keeps ", *cheapest.saved_bytes,
                                  " bytes for backward, max_saved_bytes is ", problem.max_saved_bytes.value_or(0));
    }
    return plan;
  }

  // Returns the previous plan if it is still allowed and, by value_of(plan) under the new measurements, nearly as good
  // as `plan`; else `plan`.
  template <typename ValueOf>
  Plan KeepPrevious(const PlanRequest& request, const PlanLimits& limits, Plan plan, const ValueOf& value_of) const {
    const Plan* previous = request.previous;
    if (previous == nullptr || previous->trainable.size() != plan.trainable.size()) return plan;
    // A selection does not look at the rates of a plan that some other method made.
    const bool drops = !limits.min_rates.empty();
    if (drops && previous->drop_rates.size() != plan.drop_rates.size()) return plan;
    if (previous->trainable == plan.trainable && (!drops || previous->drop_rates == plan.drop_rates)) return plan;
    Plan kept = Describe(previous->trainable, *request.options, plan.budget);
    if (drops) SetRates(previous->drop_rates, kept);
    kept.status = PlanStatus::kFeasible;
    // With the rates allowed it has a value, and with that a bound.
    kept.value = kept.upper_bound = 0;
    if (!CheckPlan(*profile_, limits, kept).ok()) return plan;
    kept.value = value_of(kept);
    if (plan.value > kept.value + request.options->churn_threshold * std::abs(kept.value)) return plan;
    kept.upper_bound = std::max(plan.upper_bound, kept.value);
    if (kept.value >= plan.upper_bound) {
      kept.status = PlanStatus::kOptimal;
    } else {
      kept.message = absl::StrCat("kept the previous plan: the best found has value ", plan.value, " against ",
                                  kept.value, ", within the churn threshold");
    }
    return kept;
  }

  const std::shared_ptr<const ModelProfile> profile_;
  const std::shared_ptr<const ModelProfile> solved_;  // What the solvers look at: without dead ends.
  const PlanProblems problems_;
  const SelectionSolver selection_;
};

Planner::Planner(std::shared_ptr<const ModelProfile> profile) : impl_(std::make_unique<Impl>(std::move(profile))) {}
Planner::~Planner() = default;

const ModelProfile& Planner::profile() const { return impl_->profile(); }

absl::StatusOr<Plan> Planner::MakePlan(const PlanRequest& request) const {
  return impl_->MakePlan(request, request.options->budget);
}

absl::StatusOr<std::vector<Plan>> Planner::MakeCurve(const PlanRequest& request,
                                                     const std::vector<Budget>& budgets) const {
  return impl_->MakeCurve(request, budgets);
}

}  // namespace greenplan
