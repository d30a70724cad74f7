#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_OPT_CONFIG_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_OPT_CONFIG_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"
#include "trainer_client/models/activation.h"

namespace greenplan::trainer {

// The config.json of model_type "opt". Fields are named after its keys.
struct OptConfig {
  int64_t vocab_size;
  int64_t hidden_size;

  // The width of the embeddings. If it differs from hidden_size, they are projected in and out.
  int64_t word_embed_proj_dim;
  int64_t ffn_dim;
  int64_t num_hidden_layers;
  int64_t num_attention_heads;
  int64_t max_position_embeddings;
  Activation activation_function;

  // The standard deviation of random weights.
  double init_std;

  // Probabilities of dropout after each branch, and of attention weights.
  double dropout;
  double attention_dropout;

  // Whether norms stand before the branches, or, as in opt-350m, after each sum.
  bool do_layer_norm_before;

  // `_remove_final_layer_norm`: whether the norm behind the last layer is missing.
  bool remove_final_layer_norm;

  // Whether linear layers have biases, and whether norms have weights and biases.
  bool enable_bias;
  bool layer_norm_elementwise_affine;
  bool tie_word_embeddings;

  // The padding row of the embedding, in [0, vocab_size). Absent: there is none.
  std::optional<int64_t> pad_token_id;
};

// Parses a config.json. A missing key takes the default of the transformers library. Returns INVALID_ARGUMENT, naming
// the key, the value and what is allowed, if a value is not supported.
absl::StatusOr<OptConfig> ParseOptConfig(const nlohmann::json& config);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_OPT_CONFIG_H_
