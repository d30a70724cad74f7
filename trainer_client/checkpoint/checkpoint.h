#ifndef GREENPLAN_TRAINER_CLIENT_CHECKPOINT_CHECKPOINT_H_
#define GREENPLAN_TRAINER_CLIENT_CHECKPOINT_CHECKPOINT_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "trainer_client/checkpoint/adapter.h"
#include "trainer_client/models/causal_lm.h"

namespace greenplan::trainer {

// Hugging Face checkpoint folders: config.json, model.safetensors or model.safetensors.index.json with its shards.

// What such a folder holds, loaded.
struct Checkpoint {
  // config.json as it is in the file.
  nlohmann::json config;
  std::shared_ptr<CausalLm> model;
  // Tensors of layers behind the last one of the config, whose num_hidden_layers was lowered. They were not loaded and
  // will not be saved. In the order of their names.
  std::vector<std::string> unused = {};
  // The adapter that `model` carries, if it trains one. It is then what is saved: the base stays as it is.
  std::optional<Adapter> adapter = {};
};

// Loads a checkpoint folder onto the CPU, in float32. NotFound or InvalidArgument name the file and what is wrong with
// it, such as a missing or surplus tensor, a shape or an offset.
absl::StatusOr<Checkpoint> LoadCheckpoint(const std::string& directory, Attention attention);

// Writes config.json and model.safetensors (float32) into the folder, which is created if need be. If the model carries
// an adapter, writes the adapter's folder instead (SaveAdapter). Each file appears whole or not at all. The errors are
// those of planner/files/files.h; DataLoss means that everything is written, but the folder could not be flushed.
absl::Status SaveCheckpoint(const Checkpoint& checkpoint, const std::string& directory);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_CHECKPOINT_CHECKPOINT_H_
