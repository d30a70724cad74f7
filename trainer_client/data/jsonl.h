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

// One example: BOS source target EOS, without BOS where the model or the tokenizer has none.
struct JsonlRow {
  std::vector<int64_t> ids;

  // The position of the target's first token, or of EOS if the target is empty. At least 1.
  int64_t first_predicted;

  // Where the row stands, for messages: "17" for line 17 of JSONL, "[16]" for element 16 of an array.
  std::string place;
};

// How rows become token ids.
struct JsonlEncoding {
  // Makes the ids of the strings source and target, with its BOS and EOS. May be null.
  const Tokenizer* tokenizer = nullptr;

  // Why `tokenizer` is null, for messages.
  std::string no_tokenizer = "none is given";

  // BOS and EOS of rows that hold source_ids and target_ids.
  SpecialTokens special = {};
};

// Parses a text in which every line is an object that holds either the strings source and target or the lists
// source_ids and target_ids. Other keys and blank lines are ignored. InvalidArgument; the message begins with the
// line's number, counted from 1, and says what is wrong there.
absl::StatusOr<std::vector<JsonlRow>> ParseJsonl(std::string_view text, const JsonlEncoding& encoding);

// Parses a text that is one JSON array of such objects. InvalidArgument: the message begins with the element's index.
absl::StatusOr<std::vector<JsonlRow>> ParseJsonArray(std::string_view text, const JsonlEncoding& encoding);

// Returns whether a text begins with an object that has one of the keys above: in its first line that is not blank, or
// as the first element of the array that the whole text is.
bool HoldsRow(std::string_view text);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_DATA_JSONL_H_
