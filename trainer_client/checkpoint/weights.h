#ifndef GREENPLAN_TRAINER_CLIENT_CHECKPOINT_WEIGHTS_H_
#define GREENPLAN_TRAINER_CLIENT_CHECKPOINT_WEIGHTS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer_client/checkpoint/safetensors.h"

namespace greenplan::trainer {

// All tensors of a checkpoint folder, of one file or of several shards.
struct Weights {
  // The path of model.safetensors or of the shards' index, for messages.
  std::string path;
  std::vector<std::unique_ptr<SafetensorsFile>> files;

  // All tensors by name, as views into `files`.
  std::map<std::string, TensorView> tensors;
};

// Opens model.safetensors or, if there is none, the shards that model.safetensors.index.json names. As in transformers,
// a shard may hold tensors that the index leaves out, and the index may name tensors that no shard holds, such as a
// tied head: whoever needs a tensor finds out that it is missing.
//
// NotFound / InvalidArgument name the file and what is wrong with it.
absl::StatusOr<Weights> OpenWeights(const std::string& directory);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_CHECKPOINT_WEIGHTS_H_
