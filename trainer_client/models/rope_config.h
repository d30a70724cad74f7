#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_ROPE_CONFIG_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_ROPE_CONFIG_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"

namespace greenplan::trainer {

// The rotary position embedding of a config.json. It is described by `rope_parameters` or, in older files, by
// `rope_scaling` and a `rope_theta` at the top level. Unless a comment says otherwise, a frequency is
// theta^(-2i / head_dim).
struct RopeConfig {
  enum class Type {
    kDefault,
    kLinear,    // All frequencies are divided by `factor`.
    kDynamic,   // theta grows with a sequence that is longer than max_position_embeddings ("NTK").
    kLlama3,    // Low frequencies are divided by `factor`, those between low and high are interpolated.
    kYarn,      // The same with other borders (Peng et al., 2023, "YaRN").
    kLongRope,  // Each frequency is divided by a factor of its own (Ding et al., 2024, "LongRoPE").
  };
  Type type = Type::kDefault;
  double theta = 10000;
  double factor = 1;
  int64_t max_position_embeddings = 0;           // Of kDynamic.
  int64_t original_max_position_embeddings = 0;  // Positions before the scaling; of kLlama3, kYarn and kLongRope.
  // A frequency of kLlama3 stays if its wavelength is below original_max_position_embeddings / high_freq_factor. It is
  // divided by `factor` if its wavelength is above original_max_position_embeddings / low_freq_factor.
  double low_freq_factor = 1;
  double high_freq_factor = 1;
  // A frequency of kYarn stays if it turns at least beta_fast times within original_max_position_embeddings. It is
  // divided by `factor` if it turns at most beta_slow times. `truncate` rounds the dimensions where that is so.
  double beta_fast = 32;
  double beta_slow = 1;
  bool truncate = true;
  // The divisors of kLongRope, [head_dim / 2] each: for sequences up to original_max_position_embeddings, and longer.
  std::vector<double> short_factor = {};
  std::vector<double> long_factor = {};
  // Cosines and sines are multiplied by this; of kYarn and kLongRope.
  double attention_factor = 1;
};

// What a model adds to the keys about rotation.
struct RopeDefaults {
  double theta;                     // If the config names none.
  int64_t max_position_embeddings;  // Also the default of original_max_position_embeddings.
  int64_t head_dim;
};

// Parses the rotary position embedding of a whole config.json. Returns INVALID_ARGUMENT, naming the key, the value and
// what is allowed, if a value is not supported.
//
// A partial_rotary_factor below 1 is ignored with the default type and refused with the others: the models here rotate
// whole heads in transformers, which fails there for the others, too.
absl::StatusOr<RopeConfig> ParseRopeConfig(const nlohmann::json& config, const RopeDefaults& defaults);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_ROPE_CONFIG_H_
