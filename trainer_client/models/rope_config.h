#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_ROPE_CONFIG_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_ROPE_CONFIG_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"

namespace greenplan::trainer {

// The rotary position embedding of a config.json. It is described by `rope_parameters` or, in older files, by
// `rope_scaling` and a `rope_theta` at the top level.
struct RopeConfig {
  enum class Type { kDefault, kLinear, kLlama3 };
  Type type = Type::kDefault;
  double theta = 10000;
  // With kLinear all frequencies are divided by this factor, with kLlama3 only low ones.
  double factor = 1;
  // With kLlama3 a frequency stays if its wavelength is below original_max_position_embeddings / high_freq_factor. It
  // is divided by `factor` if its wavelength is above original_max_position_embeddings / low_freq_factor. Frequencies
  // between these are interpolated.
  double low_freq_factor = 1;
  double high_freq_factor = 1;
  int64_t original_max_position_embeddings = 0;
};

// Parses the rotary position embedding of a whole config.json. Returns INVALID_ARGUMENT, naming the key, the value and
// what is allowed, if a value is not supported. `max_position_embeddings` is the default of
// original_max_position_embeddings.
absl::StatusOr<RopeConfig> ParseRopeConfig(const nlohmann::json& config, int64_t max_position_embeddings);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_ROPE_CONFIG_H_
