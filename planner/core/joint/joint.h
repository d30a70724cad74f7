#ifndef GREENPLAN_PLANNER_CORE_JOINT_JOINT_H_
#define GREENPLAN_PLANNER_CORE_JOINT_JOINT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "planner/core/joint/joint_problem.h"
#include "planner/core/model_profile.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// Solves the joint problem (joint_problem.h).
//
// Given the mask, the rates are a problem of drop_rates.h; given the rates, the mask is one of selection.h with costs
// and importance scaled by 1 - p_b. Both are solved in turn from several starts, selection alone and rates alone among
// them, so the result is never worse than either. joint_bound.h bounds what it may lack.
struct JointResult {
  std::vector<bool> trainable;     // [num_tensors]
  std::vector<double> drop_rates;  // [num_groups]
  double value = 0;
  double upper_bound = 0;
};

// Charges `request` with what it takes; once that is out of work or memory, the result is the best until then. Returns
// nullopt if even the pinned tensors at the highest rates exceed the budget.
std::optional<JointResult> SolveJoint(const ModelProfile& profile, const JointProblem& problem, WorkMeter& request);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_JOINT_JOINT_H_
