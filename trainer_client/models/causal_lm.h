#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_CAUSAL_LM_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_CAUSAL_LM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"
#include "torch/nn/module.h"
#include "trainer_client/models/attention.h"
#include "trainer_client/session/residual_branch.h"

namespace greenplan::trainer {

// A decoder-only transformer. named_parameters() has the names, order and shapes of the class in Hugging Face's
// transformers library for the same config.json. A tied head is listed once, under the embedding. Not thread-safe.
//
//   absl::StatusOr<std::shared_ptr<CausalLm>> model = CreateCausalLm(config, Attention::kSdpa);
//   torch::Tensor loss = CausalLmLoss((*model)->forward(input_ids), labels);
class CausalLm : public torch::nn::Module {
 public:
  // Returns the logits [batch, length, vocab_size] of `input_ids`, which are int64 [batch, length]. Attention is
  // causal, so a row may be padded on the right: no position sees what comes after it.
  virtual torch::Tensor forward(const torch::Tensor& input_ids) = 0;

  // Returns the number of token ids, which are 0 to vocab_size() - 1.
  virtual int64_t vocab_size() const = 0;
  // Returns the longest row that the model takes, in tokens.
  virtual int64_t max_position_embeddings() const = 0;

  // The branches of all residual blocks, in forward order, named as the profile names the blocks.
  const std::vector<ResidualBranch>& residual_branches() const { return residual_branches_; }

  // Sets whether each layer keeps only its input for backward, which then runs the layer again. It is false at first.
  void set_checkpoints_activations(bool checkpoints) { checkpoints_activations_ = checkpoints; }

  // Returns the model_type of the config, such as "llama" or "opt".
  virtual std::string model_type() const = 0;

 protected:
  // Filled by the constructors of the models.
  std::vector<ResidualBranch> residual_branches_;
  bool checkpoints_activations_ = false;
};

// Returns the model that a Hugging Face config.json describes, in float32 on the CPU. Its weights are random, drawn
// from LibTorch's global generator as the transformers library initialises them.
//
// Returns
// - INVALID_ARGUMENT, naming the key, the value and what is allowed, if the model_type is not supported or if a key is
//   missing or has a value that is not supported;
// - RESOURCE_EXHAUSTED if the model cannot be allocated.
absl::StatusOr<std::shared_ptr<CausalLm>> CreateCausalLm(const nlohmann::json& config, Attention attention);

// Does the same but does not initialise the weights and draws no random numbers. The caller must fill every weight.
absl::StatusOr<std::shared_ptr<CausalLm>> CreateUninitializedCausalLm(const nlohmann::json& config,
                                                                      Attention attention);

// Returns the mean cross-entropy of predicting labels[:, t + 1] at position t, a scalar. `logits` are what forward()
// returns, `labels` are int64 [batch, length]. Labels of -100 do not count. If no label counts, the result is NaN.
torch::Tensor CausalLmLoss(const torch::Tensor& logits, const torch::Tensor& labels);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_CAUSAL_LM_H_
