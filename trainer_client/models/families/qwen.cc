#include "trainer_client/models/families/family.h"

// Qwen2, Qwen2.5 and Qwen3. Qwen2 has biases on queries, keys and values. Qwen3 has norms there instead and heads whose
// size does not follow from hidden_size.
namespace greenplan::trainer {
namespace {

// The layers from max_window_layers on have a window if use_sliding_window is true, which no published model sets.
void ReadLateWindow(ConfigReader& reader, const nlohmann::json& json, DecoderConfig& config) {
  const size_t full_layers = reader.Integer("max_window_layers", 28, 0);
  const bool uses_window = reader.Boolean("use_sliding_window", false);
  const std::optional<int64_t> window = uses_window ? ReadSlidingWindow(reader, 4096) : std::nullopt;
  ReadLayerTypes(
      reader, json, window, [&](size_t layer) { return window && layer >= full_layers; }, config);
}

void DescribeQwen2(ConfigReader& reader, const nlohmann::json& json, DecoderConfig& config) {
  config.has_query_key_value_bias = true;
  ReadLateWindow(reader, json, config);
}

void DescribeQwen3(ConfigReader& reader, const nlohmann::json& json, DecoderConfig& config) {
  config.has_query_key_value_bias = config.has_output_bias = reader.Boolean("attention_bias", false);
  config.has_query_key_norms = true;
  ReadLateWindow(reader, json, config);
}

constexpr DecoderDefaults kDefaults = {.vocab_size = 151936,
                                       .hidden_size = 4096,
                                       .intermediate_size = 22016,
                                       .num_hidden_layers = 32,
                                       .num_attention_heads = 32,
                                       .num_key_value_heads = 32,
                                       .max_position_embeddings = 32768};

constexpr SpecialTokens kNoTokens = {};

constexpr DecoderDefaults WithHeadDim(DecoderDefaults defaults, int64_t head_dim) {
  defaults.head_dim = head_dim;
  return defaults;
}

}  // namespace

const DecoderFamily kQwen2 = {"qwen2", "Qwen2ForCausalLM", kDefaults, kNoTokens, DescribeQwen2};
const DecoderFamily kQwen3 = {"qwen3", "Qwen3ForCausalLM", WithHeadDim(kDefaults, 128), kNoTokens, DescribeQwen3};

}  // namespace greenplan::trainer
