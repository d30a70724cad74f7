#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_FAMILIES_FAMILY_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_FAMILIES_FAMILY_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"
#include "trainer_client/models/config_reader.h"
#include "trainer_client/models/decoder_config.h"
#include "trainer_client/models/special_tokens.h"

namespace greenplan::trainer {

// The values that a family's config class in transformers 5.23.0 gives to missing keys.
struct DecoderDefaults {
  int64_t vocab_size;
  int64_t hidden_size;
  int64_t intermediate_size;
  int64_t num_hidden_layers;
  int64_t num_attention_heads;

  // Absent: as many as num_attention_heads.
  std::optional<int64_t> num_key_value_heads = {};

  // Absent: hidden_size / num_attention_heads.
  std::optional<int64_t> head_dim = {};
  int64_t max_position_embeddings;
  double rope_theta = 10000;
  bool tie_word_embeddings = false;
  std::optional<int64_t> pad_token_id = {};
};

// A model_type that is a decoder of LLaMA's design. To add one, describe it in a file of this folder and list it in
// families.cc.
struct DecoderFamily {
  // The value of model_type in config.json.
  const char* model_type;

  // The class in transformers, such as "LlamaForCausalLM".
  const char* architecture;

  // The values of keys that a config.json leaves out.
  DecoderDefaults defaults;

  // BOS and EOS where config.json does not name them.
  SpecialTokens special_tokens;

  // Sets what is particular to the family: biases, norms, and what each of config.layers sees. The sizes and the layers
  // are there already. A value that is not supported goes to the reader's status.
  void (*describe)(ConfigReader& reader, const nlohmann::json& json, DecoderConfig& config);
};

// Returns all families, in the alphabetical order of their model_type.
const std::vector<const DecoderFamily*>& DecoderFamilies();

// Returns the family of a model_type, or null.
const DecoderFamily* FindDecoderFamily(absl::string_view model_type);

// Parses a config.json of that family. A missing key takes the family's default. Returns INVALID_ARGUMENT, naming the
// key, the value and what is allowed, if a value is not supported or contradicts another one.
absl::StatusOr<DecoderConfig> ParseDecoderConfig(const DecoderFamily& family, const nlohmann::json& json);

// Helpers for families. This one gives `window` to each layer for which `layer_types` says "sliding_attention" or, if
// that key is missing, `is_sliding(layer)` is true. If there is such a layer but no window, the reader's status says
// so.
void ReadLayerTypes(ConfigReader& reader, const nlohmann::json& json, std::optional<int64_t> window,
                    const std::function<bool(size_t)>& is_sliding, DecoderConfig& config);

// Returns `sliding_window`, which may be null.
std::optional<int64_t> ReadSlidingWindow(ConfigReader& reader, std::optional<int64_t> default_window);

extern const DecoderFamily kLlama, kMistral, kQwen2, kQwen3, kSmolLm3;

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_FAMILIES_FAMILY_H_
