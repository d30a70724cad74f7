#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_CAUSAL_LM_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_CAUSAL_LM_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"
#include "torch/nn/module.h"
#include "trainer_client/models/attention.h"

namespace greenplan::trainer {

// A decoder-only transformer. named_parameters() has the names, order and shapes of the transformers library's class
// for the same config.json; a tied head is listed once, under the embedding. Not thread-safe.
class CausalLm : public torch::nn::Module {
 public:
  // input_ids: int64 [batch, length] -> logits [batch, length, vocab_size]. Attention is causal; rows may be padded on
  // the right (what stands behind a position never reaches it).
  virtual torch::Tensor forward(const torch::Tensor& input_ids) = 0;

  virtual int64_t vocab_size() const = 0;
  virtual int64_t max_position_embeddings() const = 0;
  // model_type of the config: "llama", "opt".
  virtual std::string model_type() const = 0;
};

// Builds the model of a Hugging Face config.json with random weights (torch's global generator), float32 on the CPU.
// InvalidArgument: model_type is not supported, a key is missing or makes no sense; names the key.
absl::StatusOr<std::shared_ptr<CausalLm>> CreateCausalLm(const nlohmann::json& config, Attention attention);

// The same with weights that are not initialised, for a caller that fills every one; draws no random numbers.
absl::StatusOr<std::shared_ptr<CausalLm>> CreateUninitializedCausalLm(const nlohmann::json& config,
                                                                      Attention attention);

// Mean cross-entropy of predicting labels[:, t + 1] from position t; labels of -100 count not. logits as forward()
// returns them, labels int64 [batch, length]. Returns a scalar,
// NaN where no label counts.
torch::Tensor CausalLmLoss(const torch::Tensor& logits, const torch::Tensor& labels);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_CAUSAL_LM_H_
