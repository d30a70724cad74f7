#include <algorithm>

#include "absl/strings/str_cat.h"
#include "trainer_client/models/families/family.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;

// More than any model has, and few enough to be listed.
constexpr int64_t kMostLayers = 10000;

void CheckSizes(ConfigReader& reader, const DecoderFamily& family, const DecoderConfig& c) {
  const bool derives_head_dim = !reader.Has("head_dim") && !family.defaults.head_dim;
  if (derives_head_dim && c.hidden_size % c.num_attention_heads != 0) {
    reader.Fail("hidden_size", absl::StrCat("a multiple of num_attention_heads, ", c.num_attention_heads));
  }
  if (c.num_attention_heads % c.num_key_value_heads != 0) {
    reader.Fail("num_key_value_heads", absl::StrCat("a divisor of num_attention_heads, ", c.num_attention_heads));
  }
  if (c.head_dim % 2 != 0) {
    if (!derives_head_dim) reader.Fail("head_dim", "an even integer");
    reader.Fail("hidden_size", absl::StrCat("an even multiple of num_attention_heads, ", c.num_attention_heads));
  }
}

}  // namespace

const std::vector<const DecoderFamily*>& DecoderFamilies() {
  static const auto& families = *new std::vector<const DecoderFamily*>{&kLlama, &kMistral, &kQwen2, &kQwen3, &kSmolLm3};
  return families;
}

const DecoderFamily* FindDecoderFamily(absl::string_view model_type) {
  for (const DecoderFamily* family : DecoderFamilies()) {
    if (family->model_type == model_type) return family;
  }
  return nullptr;
}

absl::StatusOr<DecoderConfig> ParseDecoderConfig(const DecoderFamily& family, const json& json) {
  const DecoderDefaults& defaults = family.defaults;
  ConfigReader reader(json, "");
  DecoderConfig c;
  c.model_type = family.model_type;
  c.vocab_size = reader.Integer("vocab_size", defaults.vocab_size, 1);
  c.hidden_size = reader.Integer("hidden_size", defaults.hidden_size, 1);
  c.intermediate_size = reader.Integer("intermediate_size", defaults.intermediate_size, 1);
  c.num_attention_heads = reader.Integer("num_attention_heads", defaults.num_attention_heads, 1);
  // Only a missing key takes the family's number: a null means one key head for each query head.
  const int64_t key_value_heads = reader.IsNull("num_key_value_heads")
                                      ? c.num_attention_heads
                                      : defaults.num_key_value_heads.value_or(c.num_attention_heads);
  c.num_key_value_heads = reader.Integer("num_key_value_heads", key_value_heads, 1);
  c.head_dim = reader.Integer("head_dim", defaults.head_dim.value_or(c.hidden_size / c.num_attention_heads), 1);
  c.max_position_embeddings = reader.Integer("max_position_embeddings", defaults.max_position_embeddings, 1);
  c.hidden_act = ReadActivation(reader, "hidden_act", "silu");
  c.rms_norm_eps = reader.Number("rms_norm_eps", 1e-6, 0, 1);
  c.initializer_range = reader.Number("initializer_range", 0.02, 0, 1);
  c.attention_dropout = reader.Number("attention_dropout", 0, 0, 1);
  c.tie_word_embeddings = reader.Boolean("tie_word_embeddings", defaults.tie_word_embeddings);
  c.pad_token_id = ReadPaddingRow(reader, defaults.pad_token_id, c.vocab_size);
  CheckSizes(reader, family, c);
  const int64_t layers = reader.Integer("num_hidden_layers", defaults.num_hidden_layers, 1);
  if (layers > kMostLayers) reader.Fail("num_hidden_layers", absl::StrCat("an integer from 1 to ", kMostLayers));
  if (!reader.status().ok()) return reader.status();
  c.layers.resize(layers);
  family.describe(reader, json, c);
  if (!reader.status().ok()) return reader.status();
  absl::StatusOr<RopeConfig> rope = ParseRopeConfig(
      json,
      {.theta = defaults.rope_theta, .max_position_embeddings = c.max_position_embeddings, .head_dim = c.head_dim});
  if (!rope.ok()) return rope.status();
  c.rope = *std::move(rope);
  return c;
}

std::optional<int64_t> ReadSlidingWindow(ConfigReader& reader, std::optional<int64_t> default_window) {
  if (reader.IsNull("sliding_window") || (!reader.Has("sliding_window") && !default_window)) return std::nullopt;
  return reader.Integer("sliding_window", default_window.value_or(1), 1);
}

void ReadLayerTypes(ConfigReader& reader, const json& json, std::optional<int64_t> window,
                    const std::function<bool(size_t)>& is_sliding, DecoderConfig& config) {
  constexpr char kKey[] = "layer_types";
  const bool is_listed = reader.Has(kKey);
  if (is_listed && (!json[kKey].is_array() || json[kKey].size() != config.layers.size())) {
    reader.Fail(kKey, absl::StrCat("a list of num_hidden_layers, ", config.layers.size(), ", entries"));
    return;
  }
  for (size_t i = 0; i < config.layers.size(); ++i) {
    if (is_listed && json[kKey][i] != "sliding_attention" && json[kKey][i] != "full_attention") {
      reader.Fail(kKey, "a list of \"full_attention\" and \"sliding_attention\"");
      return;
    }
    if (!(is_listed ? json[kKey][i] == "sliding_attention" : is_sliding(i))) continue;
    if (!window) {
      reader.Fail("sliding_window", "an integer >= 1, because layer_types asks for sliding attention");
      return;
    }
    config.layers[i].window = window;
  }
}

}  // namespace greenplan::trainer
