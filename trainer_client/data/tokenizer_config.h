#ifndef GREENPLAN_TRAINER_CLIENT_DATA_TOKENIZER_CONFIG_H_
#define GREENPLAN_TRAINER_CLIENT_DATA_TOKENIZER_CONFIG_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace greenplan::trainer {

// What a Hugging Face folder says about its tokenizer beside the vocabulary: in tokenizer_config.json,
// added_tokens.json, special_tokens_map.json and tokenizer.json.
struct TokenizerConfig {
  // Texts that are one token each wherever they occur, and their ids: chat markers, and special tokens such as "<s>".
  std::map<std::string, int64_t> added_tokens;
  // The id of the end-of-sequence token. Absent if the files do not name it or its id cannot be found.
  std::optional<int64_t> eos;
  // Whether tokenizer_config.json says that there is no beginning-of-sequence token.
  bool has_no_bos = false;
  bool has_tokenizer_json = false;
};

// Reads those of the files that are in the folder; an empty path has none. InvalidArgument names the file that is not
// JSON or holds another kind of value than it must.
absl::StatusOr<TokenizerConfig> ReadTokenizerConfig(const std::string& folder);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_DATA_TOKENIZER_CONFIG_H_
