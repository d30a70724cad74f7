#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_SPECIAL_TOKENS_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_SPECIAL_TOKENS_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"

namespace greenplan::trainer {

// The tokens at the beginning and at the end of a row. A model may have no BOS; nullopt then.
struct SpecialTokens {
  std::optional<int64_t> bos = {};
  std::optional<int64_t> eos = {};
  bool has_several_eos = false;  // Whether the config lists several ends, of which `eos` is the first.
};

// Reads bos_token_id and eos_token_id of a config.json. A token that is null there is nullopt. If the value is a list,
// its first entry is used. A missing key takes the default of its model_type. Returns INVALID_ARGUMENT, naming the key
// and the value, if a value is not a token id.
absl::StatusOr<SpecialTokens> ReadSpecialTokens(const nlohmann::json& config);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_SPECIAL_TOKENS_H_
