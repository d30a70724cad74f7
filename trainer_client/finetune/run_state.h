#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_RUN_STATE_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_RUN_STATE_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer_client/checkpoint/checkpoint.h"
#include "trainer_client/finetune/run_state_json.h"
#include "trainer_client/optimizer/optimizer.h"

namespace greenplan::trainer {

// Writes the checkpoint (the model, or its adapter if it carries one) and, in files of their own beside it, the state
// of optimizer and run:
//   optimizer-EPOCH.safetensors   the optimizer's state
//   trainer_state-EPOCH.json      all else
// These come first, the weights last, and those of older epochs are then removed: whatever stops the program, the
// weights in the folder have the state that belongs to them beside them.
// If a file cannot be written, the folder is as it was before, and the error, one of planner/files/files.h, names the
// file. DataLoss: all is written, but a power failure may undo it.
absl::Status SaveRun(const std::string& directory, const Checkpoint& checkpoint, const Optimizer& optimizer,
                     const RunState& state);

// Returns the SHA-256 over the names and values of all parameters, in hexadecimal.
std::string WeightsDigest(const CausalLm& model);

// Returns whether the folder holds the state of a run and its weights. A run that was stopped while it wrote its first
// checkpoint leaves none.
bool HasRun(const std::string& directory);

// Checkpoints within an epoch are folders checkpoint-STEP of their own below the run's output folder, each a whole
// checkpoint with its state; STEP is the number of steps done. A folder that is not finished has another name, so that
// whatever stops the program, a folder of that name is whole.

// Makes the folder of a checkpoint at `step`: `write` fills the folder that it is given. Of all such folders the latest
// `kept` remain. On an error, those that were there remain. The errors of `write`; Unavailable if a folder cannot be
// made.
absl::Status WriteStepCheckpoint(const std::string& output, int64_t step, int64_t kept,
                                 const std::function<absl::Status(const std::string& folder)>& write);

// Returns the folder whose state has the most steps: `output` itself or a checkpoint below it. Empty if none has a
// state.
std::string FolderToResume(const std::string& output);

// Removes what a WriteStepCheckpoint that was killed has left.
void RemoveUnfinishedCheckpoints(const std::string& output);

// Returns the state that belongs to `model`, as it was loaded from the folder, and puts the optimizer's state back.
// InvalidArgument if a file is damaged, FailedPrecondition if no state belongs to these weights; the message names the
// file or folder.
absl::StatusOr<RunState> LoadRun(const std::string& directory, const CausalLm& model, Optimizer& optimizer);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_RUN_STATE_H_
