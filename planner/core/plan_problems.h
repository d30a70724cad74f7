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

// Translates a request into the problems that the solvers solve: budgets become costs, pins a Pin for each tensor, and
// bounds on rates one pair for each block.
//
// Thread-safe after construction. The problems point to the request's measurements, which must outlive them.
//
//   const PlanProblems problems(profile);
//   absl::StatusOr<SelectionProblem> problem = problems.Selection(request, request.options->budget);
class PlanProblems {
 public:
  // Evaluates full fine-tuning once: O(ops + edges + tensors). `profile` must be valid and outlive this object.
  explicit PlanProblems(const ModelProfile& profile);

  // Returns forward + backward of full fine-tuning, in cost_unit.
  int64_t full_cost() const { return profile_.forward_cost + full_backward_cost_; }
  // Returns the forward + backward cost that the budget allows, in cost_unit; a fraction is multiplied in double
  // precision and rounded down. Returns 0 for a mean drop rate, which depends on what trains, and for the best value
  // per cost, which has no limit.
  int64_t BudgetInCost(const Budget& budget) const;
  // Returns the same for each of `budgets`. Mean drop rates are included: they refer to what methods full and drop
  // train.
  std::vector<int64_t> BudgetsInCost(const PlanRequest& request, const std::vector<Budget>& budgets) const;

  // Returns what any plan for the request has to keep (plan_check.h). The budget is unset for method full, for a mean
  // drop rate and for the best value per cost, because the request alone does not tell it.
  PlanLimits Limits(const PlanRequest& request, const Budget& budget) const;

  // Returns the problem of method selection. InvalidArgument if the pins alone exceed a limit. Unimplemented for
  // algorithm downscaled with max_saved_bytes. ResourceExhausted if the resolution has more cost steps for so many
  // tensors than the downscaled program may take.
  absl::StatusOr<SelectionProblem> Selection(const PlanRequest& request, const Budget& budget) const;

  // Returns the problem for Budget::Kind::kBestValuePerCost; the budget in the result does not count. Unimplemented for
  // algorithm downscaled and for max_saved_bytes.
  absl::StatusOr<SelectionProblem> BestRatio(const PlanRequest& request, const Budget& budget) const;

  // Returns the problem that all `backward_budgets` share, with the first of them as its budget. InvalidArgument if the
  // pins alone exceed one of the budgets. REQUIRES: at least one budget; algorithm exact.
  absl::StatusOr<SelectionProblem> SelectionCurve(const PlanRequest& request,
                                                  const std::vector<int64_t>& backward_budgets) const;

  // Returns the problem of method drop for the mask `trainable` ([num_tensors]).
  DropRateProblem DropRates(const PlanRequest& request, const Budget& budget, const std::vector<bool>& trainable) const;

  // Returns the problem of method joint. Unimplemented for algorithm downscaled. It does not check whether the pins
  // keep the budget, since that depends on the rates.
  absl::StatusOr<JointProblem> Joint(const PlanRequest& request, const Budget& budget) const;

 private:
  // Returns the selection problem of a request whatever its pins cost.
  SelectionProblem WithoutChecks(const PlanRequest& request, const Budget& budget) const;
  // Returns InvalidArgument if the pinned tensors alone exceed one of the budgets or max_saved_bytes.
  absl::Status CheckPins(const SelectionProblem& problem, const std::vector<int64_t>& backward_budgets) const;
  // Returns what methods selection and joint may do with each tensor, [num_tensors].
  std::vector<Pin> Pins(const PlanRequest& request) const;
  // Returns the same for methods full and drop, which train everything that `never` does not name.
  std::vector<Pin> PinsOfAllButNever(const PlanOptions& options) const;

  const ModelProfile& profile_;
  const std::vector<Pin> own_pins_;  // Of the profile alone, whatever the request.
  const int64_t full_backward_cost_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_PLAN_PROBLEMS_H_
