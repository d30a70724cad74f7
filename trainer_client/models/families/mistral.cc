#include "trainer_client/models/families/family.h"

// Mistral 7B and its kin: LLaMA without biases, every layer with a sliding window unless that is null.
namespace greenplan::trainer {
namespace {

void Describe(ConfigReader& reader, const nlohmann::json&, DecoderConfig& config) {
  const std::optional<int64_t> window = ReadSlidingWindow(reader, 4096);
  for (DecoderLayerConfig& layer : config.layers) layer.window = window;
}

}  // namespace

const DecoderFamily kMistral = {"mistral",
                                "MistralForCausalLM",
                                {.vocab_size = 32000,
                                 .hidden_size = 4096,
                                 .intermediate_size = 14336,
                                 .num_hidden_layers = 32,
                                 .num_attention_heads = 32,
                                 .num_key_value_heads = 8,
                                 .max_position_embeddings = 131072},
                                {.bos = 1, .eos = 2},
                                Describe};

}  // namespace greenplan::trainer
