#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_SAVED_RANDOM_STATE_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_SAVED_RANDOM_STATE_H_

#include <string>

#include "absl/status/status.h"
#include "trainer_client/finetune/run_state_json.h"

namespace greenplan::trainer {

// Keeps the states of LibTorch's random generators (session/random_state.h) as they are now in `state`.
void SaveRandomState(RunState& state);

// Puts the generators back to where they were when `state` was saved. A run may go on without the devices that it began
// on. FailedPrecondition, naming the folder `output`, if the state is of another version of LibTorch.
absl::Status RestoreRandomState(const RunState& state, const std::string& output);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_SAVED_RANDOM_STATE_H_
