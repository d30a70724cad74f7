#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_LLAMA_CONFIG_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_LLAMA_CONFIG_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"
#include "trainer_client/models/activation.h"
#include "trainer_client/models/rope_config.h"

namespace greenplan::trainer {

// The config.json of model_type "llama". Fields are named after its keys.
struct LlamaConfig {
  int64_t vocab_size;
  int64_t hidden_size;
  int64_t intermediate_size;
  int64_t num_hidden_layers;
  int64_t num_attention_heads;
  int64_t num_key_value_heads;
  int64_t head_dim;
  int64_t max_position_embeddings;
  Activation hidden_act;
  double rms_norm_eps;
  double initializer_range;
  double attention_dropout;
  bool attention_bias;
  bool mlp_bias;
  bool tie_word_embeddings;
  std::optional<int64_t> pad_token_id;  // In [0, vocab_size).
  RopeConfig rope;
};

// Parses a config.json. A missing key takes the default of the transformers library. Returns INVALID_ARGUMENT, naming
// the key, the value and what is allowed, if a value is not supported.
absl::StatusOr<LlamaConfig> ParseLlamaConfig(const nlohmann::json& config);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_LLAMA_CONFIG_H_
