#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_ROPE_CONFIG_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_ROPE_CONFIG_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"

namespace greenplan::trainer {

// The rotary position embedding of a config.json: `rope_parameters`, in older files `rope_scaling` and a `rope_theta`
// at the top level.
struct RopeConfig {
  enum class Type { kDefault, kLinear, kLlama3 };
  Type type = Type::kDefault;
  double theta = 10000;
  // kLinear and kLlama3: frequencies are divided by it.
  double factor = 1;
  // kLlama3: wavelengths below original_max_position_embeddings / high_freq_factor stay, those above
  // original_max_position_embeddings / low_freq_factor are divided, those between are interpolated.
  double low_freq_factor = 1;
  double high_freq_factor = 1;
  int64_t original_max_position_embeddings = 0;
};

// InvalidArgument names the key, the value and what is allowed.
absl::StatusOr<RopeConfig> ParseRopeConfig(const nlohmann::json& config, int64_t max_position_embeddings);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_ROPE_CONFIG_H_
