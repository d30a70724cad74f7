#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_RUN_MODEL_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_RUN_MODEL_H_

#include <string>

#include "absl/status/statusor.h"
#include "trainer_client/checkpoint/checkpoint.h"
#include "trainer_client/finetune/options.h"

namespace greenplan::trainer {

// Returns the model of a run, with the adapter that it trains, if it trains one:
// - at the start of a run, --base or --model-config, with a new adapter by --lora-rank or that of --adapter;
// - with `resume_from`, the folder of a run (else empty), the model of that folder. If the folder holds an adapter, its
//   base is --base or --model-config or, without them, the base that the folder names.
//
// Random weights and new adapters are drawn from LibTorch's global generator. Returns INVALID_ARGUMENT or NOT_FOUND,
// naming the flag or the file, if something cannot be read, if an adapter does not fit its base, or if flags of LoRA
// contradict the run that is gone on with.
absl::StatusOr<Checkpoint> LoadRunModel(const FinetuneOptions& options, const std::string& resume_from);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_RUN_MODEL_H_
