#ifndef GREENPLAN_PLANNER_CORE_JOINT_JOINT_H_
#define GREENPLAN_PLANNER_CORE_JOINT_JOINT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "planner/core/joint/joint_problem.h"
#include "planner/core/model_profile.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// Solves the joint problem (joint_problem.h): which tensors to train and how often to skip each block.
//
// Given the mask, finding the rates is a problem of drop_rates.h. Given the rates, finding the mask is a problem of
// selection.h in which costs and importance are scaled by 1 - p_b. Both are solved in turn from several starts: the
// pinned tensors at the lowest rates, all tensors of positive importance, and the masks that the bound (joint_bound.h)
// points to. The first two include selection alone and rates alone, so the result is never worse than either.
//
// The best mask and rates found, and how much better others might be.
struct JointResult {
  std::vector<bool> trainable;     // [num_tensors]
  std::vector<double> drop_rates;  // [num_groups]
  double value = 0;
  double upper_bound = 0;
};

// Returns the best result found, with a bound that no mask and rates exceed. Charges `request` with its work and
// memory. Once the request runs out of either, or its stop function fires, it returns the best result so far. Returns
// nullopt if even the pinned tensors at the highest rates exceed a limit. Thread-safe.
std::optional<JointResult> SolveJoint(const ModelProfile& profile, const JointProblem& problem, WorkMeter& request);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_JOINT_JOINT_H_
