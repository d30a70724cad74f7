#include "trainer_client/models/llama_config.h"

#include "absl/strings/str_cat.h"
#include "trainer_client/models/config_reader.h"

namespace greenplan::trainer {

absl::StatusOr<LlamaConfig> ParseLlamaConfig(const nlohmann::json& config) {
  ConfigReader reader(config, "");
  LlamaConfig c;
  c.vocab_size = reader.Integer("vocab_size", 32000, 1);
  c.hidden_size = reader.Integer("hidden_size", 4096, 1);
  c.intermediate_size = reader.Integer("intermediate_size", 11008, 1);
  c.num_hidden_layers = reader.Integer("num_hidden_layers", 32, 1);
  c.num_attention_heads = reader.Integer("num_attention_heads", 32, 1);
  c.num_key_value_heads = reader.Integer("num_key_value_heads", c.num_attention_heads, 1);
  c.head_dim = reader.Integer("head_dim", c.hidden_size / c.num_attention_heads, 1);
  c.max_position_embeddings = reader.Integer("max_position_embeddings", 2048, 1);
  c.hidden_act = ReadActivation(reader, "hidden_act", "silu");
  c.rms_norm_eps = reader.Number("rms_norm_eps", 1e-6, 0, 1);
  c.initializer_range = reader.Number("initializer_range", 0.02, 0, 1);
  c.attention_dropout = reader.Number("attention_dropout", 0, 0, 1);
  c.attention_bias = reader.Boolean("attention_bias", false);
  c.mlp_bias = reader.Boolean("mlp_bias", false);
  c.tie_word_embeddings = reader.Boolean("tie_word_embeddings", false);
  c.pad_token_id = ReadPaddingRow(reader, std::nullopt, c.vocab_size);

  if (c.hidden_size % c.num_attention_heads != 0) {
    reader.Fail("hidden_size", absl::StrCat("a multiple of num_attention_heads, ", c.num_attention_heads));
  }
  if (c.num_attention_heads % c.num_key_value_heads != 0) {
    reader.Fail("num_key_value_heads", absl::StrCat("a divisor of num_attention_heads, ", c.num_attention_heads));
  }
  if (c.head_dim % 2 != 0) {
    if (reader.Has("head_dim")) reader.Fail("head_dim", "an even integer");
    reader.Fail("hidden_size", absl::StrCat("an even multiple of num_attention_heads, ", c.num_attention_heads));
  }
  if (!reader.status().ok()) return reader.status();
  absl::StatusOr<RopeConfig> rope = ParseRopeConfig(config, c.max_position_embeddings);
  if (!rope.ok()) return rope.status();
  c.rope = *rope;
  return c;
}

}  // namespace greenplan::trainer
