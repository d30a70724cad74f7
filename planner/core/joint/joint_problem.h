#ifndef GREENPLAN_PLANNER_CORE_JOINT_JOINT_PROBLEM_H_
#define GREENPLAN_PLANNER_CORE_JOINT_JOINT_PROBLEM_H_

#include <cstdint>
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
//
// Blocks of one group have one rate; what is said of a block above then holds for the group as a whole.
struct JointProblem {
  SelectionProblem selection;       // backward_budget bounds the expected cost.
  std::vector<int> groups = {};     // [num_blocks] The group of each block; empty: each block is a group by itself.
  std::vector<double> sensitivity;  // [num_groups], finite, >= 0: the sum over the group's blocks.
  std::vector<double> min_rates;    // [num_groups]
  std::vector<double> max_rates;    // [num_groups]
  double mu = 0;                    // >= 0.

  // What the search may take in all, in units of work (WorkMeter): several seconds.
  int64_t work_limit = int64_t{1} << 30;
};

// Returns the group of a block, or kNone for what lies outside all blocks.
inline int GroupOf(const JointProblem& problem, int block) {
  return block == kNone || problem.groups.empty() ? block : problem.groups[block];
}

// Returns the group that a tensor counts to, or kNone.
inline int GroupOf(const ModelProfile& profile, const JointProblem& problem, const Tensor& tensor) {
  return tensor.op == kNone ? kNone : GroupOf(problem, profile.ops[tensor.op].block);
}

// Returns the rate of each block, [num_blocks], from those of the groups, [num_groups].
inline std::vector<double> RatesOfBlocks(const JointProblem& problem, const std::vector<double>& rates) {
  if (problem.groups.empty()) return rates;
  std::vector<double> of_blocks;
  of_blocks.reserve(problem.groups.size());
  for (int group : problem.groups) of_blocks.push_back(rates[group]);
  return of_blocks;
}

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_JOINT_JOINT_PROBLEM_H_
