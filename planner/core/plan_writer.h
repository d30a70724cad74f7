#ifndef GREENPLAN_PLANNER_CORE_PLAN_WRITER_H_
#define GREENPLAN_PLANNER_CORE_PLAN_WRITER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "planner/core/cost.h"
#include "planner/core/model_profile.h"
#include "planner/core/plan.h"
#include "planner/core/plan_check.h"
#include "planner/core/selection/cheapest_tensor.h"
#include "planner/core/selection/selection.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// Writes the plan for what a solver found: its costs (by cost.h alone), its status and its message.
//
// Thread-safe: it has no state beside the profile. Plans are checked afterwards, by CheckPlan (plan_check.h).
//
//   const PlanWriter writer(profile, problems.full_cost());
//   PlanWriter::EmptyPlanCache cache;
//   Plan plan = writer.Selection(options, problem, solver.Solve(problem, meter), meter, cache);
class PlanWriter {
 public:
  // What the empty plans of one curve share, so that finding out why nothing fits happens once. For curves without
  // max_saved_bytes only. Start with an empty one.
  struct EmptyPlanCache {
    Plan plan;  // Without a mask until it is made.
    std::optional<CheapestTensor> cheapest;
  };

  // `profile` must outlive this; `full_cost` is forward + backward of full fine-tuning.
  PlanWriter(const ModelProfile& profile, int64_t full_cost) : profile_(profile), full_cost_(full_cost) {}

  // Returns a plan for `trainable` ([num_tensors]) with its costs and bytes and with what the options say. budget:
  // forward + backward, in cost_unit. Value, bound, status and message are left for the caller.
  Plan Describe(std::vector<bool> trainable, const PlanOptions& options, int64_t budget) const;
  // The same with drop rates ([num_blocks]); the plan's cost is the expected one.
  Plan Describe(std::vector<bool> trainable, std::vector<double> rates, const PlanOptions& options,
                int64_t budget) const;

  // Returns the plan for what a selection found. `cache` is that of a curve without a second limit, or a new one.
  // Where a proved selection is empty, this is Nothing().
  Plan Selection(const PlanOptions& options, const SelectionProblem& problem, SelectionResult result, WorkMeter& meter,
                 EmptyPlanCache& cache) const;

  // Returns the plan for what SelectionSolver::SolveBestRatio found. Its budget is its own predicted cost.
  Plan BestRatio(const PlanOptions& options, const SelectionProblem& problem, SelectionResult result,
                 WorkMeter& meter) const;

  // Returns the empty plan of a selection in which no tensor fits or none is worth training. Its message says which of
  // the two holds and what the cheapest tensor needs; finding that out is charged to `meter`.
  Plan Nothing(const PlanOptions& options, const SelectionProblem& problem, WorkMeter& meter,
               EmptyPlanCache& cache) const;

  // Sets the plan's drop rates ([num_blocks]) and the expected costs that follow from them.
  void SetRates(std::vector<double> rates, Plan& plan) const;

  // Sets the plan's value, bound and status. A gap of at most `tolerance` times the value is rounding: it counts as
  // proof that the plan is optimal, and the bound becomes the value.
  static void SetValue(double value, double upper_bound, double tolerance, Plan& plan);

  // Returns the plan in force, request.previous, if it keeps `limits` and if the value of `plan` does not exceed its
  // value by more than the churn threshold; otherwise returns `plan`. value_of returns the value of a plan of this
  // method under the new measurements. Where `limits` has no budget but the method selects (the best value per cost),
  // the values are compared per cost.
  Plan KeepPrevious(const PlanRequest& request, const PlanLimits& limits, Plan plan,
                    const std::function<double(const Plan&)>& value_of) const;

 private:
  Plan Describe(const MaskCost& cost, std::vector<bool> trainable, const PlanOptions& options, int64_t budget) const;
  int64_t BudgetOf(const SelectionProblem& problem) const { return profile_.forward_cost + problem.backward_budget; }

  const ModelProfile& profile_;
  const int64_t full_cost_;
};

// Returns whether the plan trains no tensor.
bool TrainsNothing(const Plan& plan);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_PLAN_WRITER_H_
