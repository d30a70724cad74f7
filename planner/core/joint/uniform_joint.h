#ifndef GREENPLAN_PLANNER_CORE_JOINT_UNIFORM_JOINT_H_
#define GREENPLAN_PLANNER_CORE_JOINT_UNIFORM_JOINT_H_

#include <optional>

#include "planner/core/joint/joint.h"
#include "planner/core/joint/joint_problem.h"
#include "planner/core/model_profile.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// Solves the joint problem (joint_problem.h) where all blocks have one rate r: p_b = r clamped to the bounds of block
// b.
//
// The only unknown beside the mask is r, so the search is over intervals of r, the one of highest bound first. Where no
// block's bound lies within an interval, the blocks that follow r are one block to joint.h, whose masks and bound
// serve. A second bound is the best selection with the costs of the interval's upper end and the importance of its
// lower end: it is exact in the mask and wide in r, where the first is exact in r. Intervals are halved, more finely
// near the best rate known, until the bound meets the best value or the work is used up.
//
// REQUIRES: problem.groups is empty.
//
// Charges `request` with what it takes, as SolveJoint does; the result holds the best until then, with a bound. Returns
// nullopt if even the pinned tensors at the highest rates exceed the budget.
std::optional<JointResult> SolveUniformJoint(const ModelProfile& profile, const JointProblem& problem,
                                             WorkMeter& request);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_JOINT_UNIFORM_JOINT_H_
