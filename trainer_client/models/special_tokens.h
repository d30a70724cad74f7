#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_SPECIAL_TOKENS_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_SPECIAL_TOKENS_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"

namespace greenplan::trainer {

// The tokens that open and close a row, as a config.json names them; none where it says null.
struct SpecialTokens {
  std::optional<int64_t> bos;
  std::optional<int64_t> eos;
};

// bos_token_id and eos_token_id (of a list the first); a missing key takes the default of its model_type.
// InvalidArgument names the key and the value.
absl::StatusOr<SpecialTokens> ReadSpecialTokens(const nlohmann::json& config);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_SPECIAL_TOKENS_H_
