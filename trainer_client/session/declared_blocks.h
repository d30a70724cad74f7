#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_DECLARED_BLOCKS_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_DECLARED_BLOCKS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "planner/core/model_profile.h"

namespace greenplan::trainer {

// Removes the blocks that are not in `declared` from the profile, since no step can drop them; their ops then belong to
// no block. Names in `declared` that are no block are ignored: such a branch holds no tensor of the profile.
// FailedPrecondition if no block remains; names what there is. The profile is then unchanged.
absl::Status KeepDeclaredBlocks(const std::vector<std::string>& declared, ModelProfile& profile);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_DECLARED_BLOCKS_H_
