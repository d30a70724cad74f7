#ifndef GREENPLAN_PLANNER_CORE_DEAD_ENDS_H_
#define GREENPLAN_PLANNER_CORE_DEAD_ENDS_H_

#include <memory>

#include "planner/core/model_profile.h"

namespace greenplan {

// Returns `profile` without its dead ends: the ops from which no tensor is reachable, and the edges into them. They are
// never live and count in no cost, so that the solvers need not look at them. The loss stays in any case.
//
// Returns `profile` itself if it has none, as profiles of real models do; otherwise a copy in which ops have other
// indices, and ops, tensors and blocks have no names and no shapes. Tensors and blocks keep their indices.
// Pure, thread-safe, O(ops + edges + tensors).
std::shared_ptr<const ModelProfile> WithoutDeadEnds(std::shared_ptr<const ModelProfile> profile);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_DEAD_ENDS_H_
