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
  // Whether queries and keys are rotated by their positions.
  bool has_rotary = true;

  // A position sees itself and the window - 1 positions before it. Absent: it sees all positions before it.
  std::optional<int64_t> window = {};
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

  // Divides num_attention_heads. Each head of keys and values serves several heads of queries if it is smaller.
  int64_t num_key_value_heads;

  // Features of a head. Even, because rotation takes pairs.
  int64_t head_dim;
  int64_t max_position_embeddings;
  Activation hidden_act;
  double rms_norm_eps;
  double initializer_range;
  double attention_dropout;
  bool tie_word_embeddings;

  // The padding row of the embedding, in [0, vocab_size). Absent: there is none.
  std::optional<int64_t> pad_token_id;

  // The rotary position embedding.
  RopeConfig rope;

  // Which linear layers have biases: the projections of queries, keys and values, that of attention's output, and those
  // of the MLP.
  bool has_query_key_value_bias = false;
  bool has_output_bias = false;
  bool has_mlp_bias = false;

  // Whether each head's queries and keys are normalised before they are rotated.
  bool has_query_key_norms = false;

  // One entry for each layer, num_hidden_layers in all.
  std::vector<DecoderLayerConfig> layers;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_DECODER_CONFIG_H_
