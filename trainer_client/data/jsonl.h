#ifndef GREENPLAN_TRAINER_CLIENT_DATA_JSONL_H_
#define GREENPLAN_TRAINER_CLIENT_DATA_JSONL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer_client/data/tokenizer.h"
#include "trainer_client/models/special_tokens.h"

namespace greenplan::trainer {

// One example: BOS source target EOS.
struct JsonlRow {
  std::vector<int64_t> ids;
  int64_t first_predicted;  // Position of the target's first token, or of EOS where the target is empty.
  int64_t line;             // 1, 2, ...
};

// Every line is an object that holds either the strings source and target, encoded with `tokenizer`, whose BOS and EOS
// it takes, or the lists source_ids and target_ids, which take BOS and EOS of `special`. Other keys and blank lines are
// passed over.
// InvalidArgument: the message begins with the line's number.
absl::StatusOr<std::vector<JsonlRow>> ParseJsonl(std::string_view text, const Tokenizer* tokenizer,
                                                 const SpecialTokens& special);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_DATA_JSONL_H_
