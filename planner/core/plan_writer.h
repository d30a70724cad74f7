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

// From what a solver found to the plan that says so: its costs, by cost.h alone, its status and its message.
// Thread-safe.
class PlanWriter {
 public:
  // What the empty plans of one curve without a second limit share.
  struct Memory {
    Plan nothing;
    std::optional<CheapestTensor> cheapest;
  };

  // `profile` must outlive this; `full_cost` is forward + backward of full fine-tuning.
  PlanWriter(const ModelProfile& profile, int64_t full_cost) : profile_(profile), full_cost_(full_cost) {}

  // A plan for `trainable` with everything that follows from it. budget: forward + backward.
  Plan Describe(std::vector<bool> trainable, const PlanOptions& options, int64_t budget) const;
  // The same with drop rates ([num_blocks]), whose expected cost it has.
  Plan Describe(std::vector<bool> trainable, std::vector<double> rates, const PlanOptions& options,
                int64_t budget) const;

  // The plan for what a selection found. `memory` is that of a curve without a second limit, or a new one.
  Plan Selection(const PlanOptions& options, const SelectionProblem& problem, SelectionResult result, WorkMeter& meter,
                 Memory& memory) const;

  // The plan for what SelectionSolver::SolveBestRatio found: its budget is what it costs.
  Plan BestRatio(const PlanOptions& options, const SelectionProblem& problem, SelectionResult result,
                 WorkMeter& meter) const;

  // The plan of a selection where no tensor fits or is worth training; the message says which.
  Plan Nothing(const PlanOptions& options, const SelectionProblem& problem, WorkMeter& meter, Memory& memory) const;

  // Sets the rates and what a step then costs.
  void SetRates(std::vector<double> rates, Plan& plan) const;

  // Sets the value and its bound: a gap of at most `tolerance` times the value is rounding and proves the plan optimal.
  static void SetValue(double value, double upper_bound, double tolerance, Plan& plan);

  // Returns the plan in force, request.previous, if it keeps `limits` and `plan` does not exceed its value by more than
  // the churn threshold; else `plan`. value_of: the value of a plan of this method under the new measurements. Where
  // `limits` has no budget but selects (the best value per cost), the values are compared per cost.
  Plan KeepPrevious(const PlanRequest& request, const PlanLimits& limits, Plan plan,
                    const std::function<double(const Plan&)>& value_of) const;

 private:
  Plan Describe(const MaskCost& cost, std::vector<bool> trainable, const PlanOptions& options, int64_t budget) const;
  int64_t BudgetOf(const SelectionProblem& problem) const { return profile_.forward_cost + problem.backward_budget; }

  const ModelProfile& profile_;
  const int64_t full_cost_;
};

// Whether the plan trains no tensor.
bool TrainsNothing(const Plan& plan);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_PLAN_WRITER_H_
