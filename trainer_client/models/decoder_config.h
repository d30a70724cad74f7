#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_DECODER_CONFIG_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_DECODER_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "trainer_client/models/activation.h"
#include "trainer_client/models/rope_config.h"

namespace greenplan::trainer {

// What one layer's attention sees.
struct DecoderLayerConfig {
  bool has_rotary = true;              // Whether queries and keys are rotated by their positions.
  std::optional<int64_t> window = {};  // A position sees itself and the window - 1 positions before it; or all.
};

// A decoder of LLaMA's design: rotary positions, root-mean-square norms before both branches, a gated MLP. The families
// that people fine-tune differ in these switches alone; families/family.h says how a config.json becomes one. Fields
// that have a key in config.json are named after it.
struct DecoderConfig {
  std::string model_type;
  int64_t vocab_size;
  int64_t hidden_size;
  int64_t intermediate_size;
  int64_t num_attention_heads;
  int64_t num_key_value_heads;  // Divides num_attention_heads.
  int64_t head_dim;             // Even.
  int64_t max_position_embeddings;
  Activation hidden_act;
  double rms_norm_eps;
  double initializer_range;
  double attention_dropout;
  bool tie_word_embeddings;
  std::optional<int64_t> pad_token_id;  // In [0, vocab_size).
  RopeConfig rope;
  bool has_query_key_value_bias = false;
  bool has_output_bias = false;  // Of the attention's output projection.
  bool has_mlp_bias = false;
  bool has_query_key_norms = false;  // Each head's queries and keys are normalised before they are rotated.
  std::vector<DecoderLayerConfig> layers;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_DECODER_CONFIG_H_
