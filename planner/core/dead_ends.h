#ifndef GREENPLAN_PLANNER_CORE_DEAD_ENDS_H_
#define GREENPLAN_PLANNER_CORE_DEAD_ENDS_H_

#include <memory>

#include "planner/core/model_profile.h"

namespace greenplan {

// Returns `profile` without its dead ends: the ops from which no tensor is reachable, and the edges into them. Dead
// ends are never live and count in no cost, so the solvers need not look at them. The loss (op 0) always stays.
//
// If the profile has no dead ends, as those of real models, the return value is `profile` itself. Otherwise it is a
// copy in which the remaining ops are numbered anew, and in which ops, tensors and blocks have no names and tensors
// have no shapes. The indices of tensors and blocks do not change, so a mask or rates for the copy are valid for
// `profile` too.
//
// Pure, thread-safe, O(ops + edges + tensors). REQUIRES: `profile` is valid.
std::shared_ptr<const ModelProfile> WithoutDeadEnds(std::shared_ptr<const ModelProfile> profile);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_DEAD_ENDS_H_
