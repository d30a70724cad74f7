#ifndef GREENPLAN_TRAINER_CLIENT_DATA_DATASET_H_
#define GREENPLAN_TRAINER_CLIENT_DATA_DATASET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer_client/data/tokenizer.h"
#include "trainer_client/models/special_tokens.h"

namespace greenplan::trainer {

inline constexpr int64_t kIgnoredLabel = -100;

// Rows of exactly seq_len tokens. labels[i] is input_ids[i] where that token is to be predicted, else kIgnoredLabel;
// the first token of a row is never predicted (CausalLmLoss shifts).
struct Dataset {
  int64_t seq_len = 0;
  std::vector<int64_t> input_ids;  // [num_rows * seq_len]
  std::vector<int64_t> labels;     // [num_rows * seq_len]

  int64_t num_rows() const { return static_cast<int64_t>(input_ids.size()) / seq_len; }
};

// Text and .npy are cut into consecutive windows, a shorter last one dropped; text begins with BOS, once. A JSONL row
// is BOS source target EOS with the loss on target and EOS, cut or padded on the right; a row whose source alone fills
// it predicts nothing.
//
// Reads a text file, JSONL {source, target} or {source_ids, target_ids}, or a one-dimensional .npy of token ids, told
// apart by ending (.jsonl, .npy, anything else is text). `tokenizer` may be null for .npy and for *_ids.
// `special`: BOS and EOS of the model's config.json, for rows of *_ids; strings take the tokenizer's.
// seq_len 0: for JSONL the longest row (at most max_seq_len), else max_seq_len.
// NotFound / InvalidArgument name the file, the line and what is allowed.
absl::StatusOr<Dataset> ReadDataset(const std::string& path, const Tokenizer* tokenizer, int64_t seq_len,
                                    int64_t max_seq_len, int64_t vocab_size, const SpecialTokens& special = {});

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_DATA_DATASET_H_
