#ifndef GREENPLAN_PLANNER_CORE_JOINT_H_
#define GREENPLAN_PLANNER_CORE_JOINT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "planner/core/model_profile.h"
#include "planner/core/plan.h"
#include "planner/core/selection.h"

namespace greenplan {

// Which tensors to train and how often to skip each block, under one budget: maximise
//
//   sum over blocks of (1 - p_b) * V_b + V_outside - mu * sum of S_b * p_b^2
//
// where V_b is the importance of the tensors selected in block b, subject to expected cost <= backward_budget and
// min_b <= p_b <= max_b.
//
// Given the mask, the rates are a problem of drop_rates.h; given the rates, the mask is one of selection.h with costs
// and importance scaled by 1 - p_b. Both are solved in turn from several starts, selection alone and rates alone among
// them, so the result is never worse than either. The bound is Lagrangian: at a price t of cost each live set's best
// tensors and rates are independent, block by block; each live set takes its best price.
struct JointProblem {
  SelectionProblem selection;       // backward_budget bounds the expected cost.
  std::vector<double> sensitivity;  // [num_blocks], finite, >= 0.
  std::vector<double> min_rates;    // [num_blocks]
  std::vector<double> max_rates;    // [num_blocks]
  double mu = 0;                    // >= 0.
};

struct JointResult {
  std::vector<bool> trainable;     // [num_tensors]
  std::vector<double> drop_rates;  // [num_blocks]
  double value = 0;
  double upper_bound = 0;
};

// Empty if even the pinned tensors at the highest rates exceed the budget.
std::optional<JointResult> SolveJoint(const ModelProfile& profile, const JointProblem& problem);

// The objective.
double JointValue(const ModelProfile& profile, const JointProblem& problem, const std::vector<bool>& trainable,
                  const std::vector<double>& drop_rates);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_JOINT_H_
