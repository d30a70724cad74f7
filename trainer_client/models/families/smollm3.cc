#include "absl/strings/str_cat.h"
#include "trainer_client/models/families/family.h"

// SmolLM3: LLaMA in which every fourth layer does not rotate its queries and keys.
namespace greenplan::trainer {
namespace {

// In no_rope_layers, despite its name, 1 stands for a layer with rotation.
void ReadRotaryLayers(ConfigReader& reader, const nlohmann::json& json, DecoderConfig& config) {
  constexpr char kKey[] = "no_rope_layers";
  const size_t interval = reader.Integer("no_rope_layer_interval", 4, 1);
  const bool is_listed = reader.Has(kKey);
  if (is_listed && (!json[kKey].is_array() || json[kKey].size() < config.layers.size())) {
    reader.Fail(kKey, absl::StrCat("a list of at least num_hidden_layers, ", config.layers.size(), ", entries"));
    return;
  }
  for (size_t i = 0; i < config.layers.size(); ++i) {
    if (is_listed && json[kKey][i] != 0 && json[kKey][i] != 1) {
      reader.Fail(kKey, "a list of 0 (a layer without rotation) and 1 (a layer with it)");
      return;
    }
    config.layers[i].has_rotary = is_listed ? json[kKey][i] == 1 : (i + 1) % interval != 0;
  }
}

void Describe(ConfigReader& reader, const nlohmann::json& json, DecoderConfig& config) {
  config.has_query_key_value_bias = config.has_output_bias = reader.Boolean("attention_bias", false);
  config.has_mlp_bias = reader.Boolean("mlp_bias", false);
  ReadRotaryLayers(reader, json, config);
  const std::optional<int64_t> window = ReadSlidingWindow(reader, std::nullopt);
  const bool uses_window = reader.Boolean("use_sliding_window", false);
  ReadLayerTypes(
      reader, json, window, [&](size_t layer) { return uses_window && window && !config.layers[layer].has_rotary; },
      config);
}

}  // namespace

const DecoderFamily kSmolLm3 = {"smollm3",
                                "SmolLM3ForCausalLM",
                                {.vocab_size = 128256,
                                 .hidden_size = 2048,
                                 .intermediate_size = 11008,
                                 .num_hidden_layers = 36,
                                 .num_attention_heads = 16,
                                 .num_key_value_heads = 4,
                                 .max_position_embeddings = 32768,
                                 .rope_theta = 2000000,
                                 .tie_word_embeddings = true,
                                 .pad_token_id = 128004},
                                {.bos = 128000, .eos = 128001},
                                Describe};

}  // namespace greenplan::trainer
