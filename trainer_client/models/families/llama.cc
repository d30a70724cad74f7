#include "absl/strings/str_cat.h"
#include "trainer_client/models/families/family.h"

// LLaMA 1 to 3, and all that is saved as one: SmolLM2, TinyLlama, Vicuna.
namespace greenplan::trainer {
namespace {

void Describe(ConfigReader& reader, const nlohmann::json&, DecoderConfig& config) {
  config.has_query_key_value_bias = config.has_output_bias = reader.Boolean("attention_bias", false);
  config.has_mlp_bias = reader.Boolean("mlp_bias", false);
  // Even if head_dim is given, as in transformers.
  if (config.hidden_size % config.num_attention_heads != 0) {
    reader.Fail("hidden_size", absl::StrCat("a multiple of num_attention_heads, ", config.num_attention_heads));
  }
}

}  // namespace

const DecoderFamily kLlama = {"llama",
                              "LlamaForCausalLM",
                              {.vocab_size = 32000,
                               .hidden_size = 4096,
                               .intermediate_size = 11008,
                               .num_hidden_layers = 32,
                               .num_attention_heads = 32,
                               .max_position_embeddings = 2048},
                              {.bos = 1, .eos = 2},
                              Describe};

}  // namespace greenplan::trainer
