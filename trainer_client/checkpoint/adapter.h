#ifndef GREENPLAN_TRAINER_CLIENT_CHECKPOINT_ADAPTER_H_
#define GREENPLAN_TRAINER_CLIENT_CHECKPOINT_ADAPTER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "torch/nn/module.h"
#include "trainer_client/models/lora.h"

namespace greenplan::trainer {

// LoRA adapter folders as Hugging Face's PEFT library writes and reads them: adapter_config.json and
// adapter_model.safetensors, where each tensor has its parameter's name behind "base_model.model.".

// An adapter that a model carries.
struct Adapter {
  LoraOptions options;
  // The folder or name of the base model, which PEFT keeps as base_model_name_or_path. Empty: it has none.
  std::string base;
};

// Returns whether the folder holds an adapter rather than a whole model.
bool HoldsAdapter(const std::string& directory);

// Writes the adapter of `model` (see AddLora) into the folder, which is created if need be. Each file appears whole or
// not at all. The errors are those of planner/files/files.h. REQUIRES: `model` carries this adapter.
absl::Status SaveAdapter(torch::nn::Module& model, const Adapter& adapter, const std::string& directory);

// Returns the base model that adapter_config.json names; empty if it names none. The errors are those of LoadAdapter
// about this file.
absl::StatusOr<std::string> AdapterBase(const std::string& directory);

// Adds the adapter in the folder to `model`, which has none yet, and returns it. Afterwards requires_grad is true for
// the additions alone.
//
// Returns NOT_FOUND or INVALID_ARGUMENT, naming the file and what is wrong with it: a kind of adapter that is not
// supported (DoRA, trained biases, a rank per layer, modules that are trained whole), a tensor that `model` has no
// place for, because the adapter belongs to another base, or target_modules that do not name the layers of the weights.
absl::StatusOr<Adapter> LoadAdapter(const std::string& directory, torch::nn::Module& model);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_CHECKPOINT_ADAPTER_H_
