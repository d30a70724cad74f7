#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_LORA_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_LORA_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "torch/nn/module.h"
#include "trainer_client/models/layers.h"

namespace greenplan::trainer {

// LoRA (Hu et al., ICLR 2022): linear layers keep their weights, and each is trained through a low-rank addition. Names
// and initialisation are those of Hugging Face's PEFT library: an addition to MODULE has the parameters
// MODULE.lora_A.weight [rank, in_features] and MODULE.lora_B.weight [out_features, rank].
struct LoraOptions {
  // The inner dimension of an addition, >= 1.
  int64_t rank = 8;

  // An addition is scaled by alpha / rank, or by alpha / sqrt(rank) if use_rslora is true. > 0.
  double alpha = 8;
  bool use_rslora = false;

  // The probability with which an entry of the addition's input is dropped in training, in [0, 1).
  double dropout = 0;

  // Which linear layers to adapt: their names, last parts of their names such as "q_proj", or "all-linear".
  std::vector<std::string> targets = {"all-linear"};
};

// Returns the linear layers of `model` by their names, such as "model.layers.0.self_attn.q_proj".
std::map<std::string, Linear*> LinearLayers(torch::nn::Module& model);

// Returns the names of the linear layers that `targets` name, sorted. "all-linear" names each but the output head
// lm_head. InvalidArgument: a target matches no layer, or there is no target.
absl::StatusOr<std::vector<std::string>> TargetLayers(torch::nn::Module& model,
                                                      const std::vector<std::string>& targets);

// Adds a low-rank addition to each of the TargetLayers and returns their names. A is drawn from LibTorch's global
// generator as PEFT draws it and B is 0, so that the model computes what it computed before. Afterwards requires_grad
// is true for the additions alone.
//
// Returns INVALID_ARGUMENT, and changes nothing, if the rank, alpha or dropout is out of its range, if a target matches
// no layer, or if a layer has an addition already.
absl::StatusOr<std::vector<std::string>> AddLora(torch::nn::Module& model, const LoraOptions& options);

// Does the same for the layers of those names, and leaves the additions uninitialised. The caller must fill them.
absl::Status AddUninitializedLora(torch::nn::Module& model, const std::vector<std::string>& layers,
                                  const LoraOptions& options);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_LORA_H_
