#include "trainer_client/models/opt_config.h"

#include "absl/strings/str_cat.h"
#include "trainer_client/models/config_reader.h"

namespace greenplan::trainer {

absl::StatusOr<OptConfig> ParseOptConfig(const nlohmann::json& config) {
  ConfigReader reader(config, "");
  OptConfig c;
  c.vocab_size = reader.Integer("vocab_size", 50272, 1);
  c.hidden_size = reader.Integer("hidden_size", 768, 1);
  c.word_embed_proj_dim = reader.Integer("word_embed_proj_dim", c.hidden_size, 1);
  c.ffn_dim = reader.Integer("ffn_dim", 3072, 1);
  c.num_hidden_layers = reader.Integer("num_hidden_layers", 12, 1);
  c.num_attention_heads = reader.Integer("num_attention_heads", 12, 1);
  c.max_position_embeddings = reader.Integer("max_position_embeddings", 2048, 1);
  c.activation_function = ReadActivation(reader, "activation_function", "relu");
  // If both keys are there, initializer_range is used, as in transformers.
  c.init_std = reader.Number("init_std", 0.02, 0, 1);
  c.init_std = reader.Number("initializer_range", c.init_std, 0, 1);
  c.dropout = reader.Number("dropout", 0.1, 0, 1);
  c.attention_dropout = reader.Number("attention_dropout", 0, 0, 1);
  c.do_layer_norm_before = reader.Boolean("do_layer_norm_before", true);
  c.remove_final_layer_norm = reader.Boolean("_remove_final_layer_norm", false);
  c.enable_bias = reader.Boolean("enable_bias", true);
  c.layer_norm_elementwise_affine = reader.Boolean("layer_norm_elementwise_affine", true);
  c.tie_word_embeddings = reader.Boolean("tie_word_embeddings", true);
  c.pad_token_id = ReadPaddingRow(reader, 1, c.vocab_size);
  // If layers were skipped at random, a step would not cost what was planned.
  reader.Demand("layerdrop", 0.0);

  if (c.hidden_size % c.num_attention_heads != 0) {
    reader.Fail("hidden_size", absl::StrCat("a multiple of num_attention_heads, ", c.num_attention_heads));
  }
  if (!reader.status().ok()) return reader.status();
  return c;
}

}  // namespace greenplan::trainer
