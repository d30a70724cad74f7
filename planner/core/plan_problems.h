#ifndef GREENPLAN_PLANNER_CORE_PLAN_PROBLEMS_H_
#define GREENPLAN_PLANNER_CORE_PLAN_PROBLEMS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/core/drop/drop_rates.h"
#include "planner/core/joint/joint_problem.h"
#include "planner/core/model_profile.h"
#include "planner/core/plan.h"
#include "planner/core/plan_check.h"
#include "planner/core/selection/selection.h"

namespace greenplan {

// From what a request says to the problems that the solvers solve: budgets in cost, pins, bounds on rates.
// Thread-safe after construction. Problems refer to the request's measurements.
class PlanProblems {
 public:
  // `profile` must outlive this.
  explicit PlanProblems(const ModelProfile& profile);

  // Forward + backward of full fine-tuning.
  int64_t full_cost() const { return profile_.forward_cost + full_backward_cost_; }
  // Forward + backward allowed. 0 for a mean drop rate, which depends on what trains, and for the best value per cost,
  // which has no limit.
  int64_t BudgetInCost(const Budget& budget) const;
  // The same for all budgets, mean drop rates included: of what methods full and drop train.
  std::vector<int64_t> BudgetsInCost(const PlanRequest& request, const std::vector<Budget>& budgets) const;

  // What any plan for the request has to keep (plan_check.h). The budget is unset for method full, for a mean drop
  // rate and for the best value per cost.
  PlanLimits Limits(const PlanRequest& request, const Budget& budget) const;

  // InvalidArgument if the pins alone exceed a limit. Unimplemented: algorithm downscaled with max_saved_bytes.
  // ResourceExhausted: more cost steps for so many tensors than the downscaled program may take.
  absl::StatusOr<SelectionProblem> Selection(const PlanRequest& request, const Budget& budget) const;

  // For Budget::Kind::kBestValuePerCost; the budget in the result does not count. Unimplemented: algorithm downscaled,
  // or max_saved_bytes.
  absl::StatusOr<SelectionProblem> BestRatio(const PlanRequest& request, const Budget& budget) const;

  // The problem that all `backward_budgets` share, with the first of them. The same errors for each.
  // REQUIRES: at least one; algorithm exact.
  absl::StatusOr<SelectionProblem> SelectionCurve(const PlanRequest& request,
                                                  const std::vector<int64_t>& backward_budgets) const;

  // For what `trainable` ([num_tensors]) costs.
  DropRateProblem DropRates(const PlanRequest& request, const Budget& budget, const std::vector<bool>& trainable) const;

  // Unimplemented: algorithm downscaled.
  absl::StatusOr<JointProblem> Joint(const PlanRequest& request, const Budget& budget) const;

 private:
  SelectionProblem WithoutChecks(const PlanRequest& request, const Budget& budget) const;
  absl::Status CheckPins(const SelectionProblem& problem, const std::vector<int64_t>& backward_budgets) const;
  std::vector<Pin> Pins(const PlanRequest& request) const;
  std::vector<Pin> PinsOfAllButNever(const PlanOptions& options) const;

  const ModelProfile& profile_;
  const int64_t full_backward_cost_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_PLAN_PROBLEMS_H_
