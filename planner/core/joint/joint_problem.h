#ifndef GREENPLAN_PLANNER_CORE_JOINT_JOINT_PROBLEM_H_
#define GREENPLAN_PLANNER_CORE_JOINT_JOINT_PROBLEM_H_

#include <vector>

#include "planner/core/model_profile.h"
#include "planner/core/selection/selection.h"

namespace greenplan {

// Which tensors to train and how often to skip each block, under one budget: maximise
//
//   sum over blocks of (1 - p_b) * V_b + V_outside - mu * sum of S_b * p_b^2
//
// where V_b is the importance of the tensors selected in block b, subject to expected cost <= backward_budget and
// min_b <= p_b <= max_b.
struct JointProblem {
  SelectionProblem selection;       // backward_budget bounds the expected cost.
  std::vector<double> sensitivity;  // [num_blocks], finite, >= 0.
  std::vector<double> min_rates;    // [num_blocks]
  std::vector<double> max_rates;    // [num_blocks]
  double mu = 0;                    // >= 0.
};

// The block that a tensor counts to, or kNone.
inline int BlockOf(const ModelProfile& profile, const Tensor& tensor) {
  return tensor.op == kNone ? kNone : profile.ops[tensor.op].block;
}

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_JOINT_JOINT_PROBLEM_H_
