#ifndef GREENPLAN_TRAINER_CLIENT_DATA_DATASET_H_
#define GREENPLAN_TRAINER_CLIENT_DATA_DATASET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer_client/data/jsonl.h"

namespace greenplan::trainer {

// The label of a token that is not predicted, as in PyTorch's cross_entropy.
inline constexpr int64_t kIgnoredLabel = -100;

// Rows of exactly seq_len tokens. labels[i] is input_ids[i] where that token is to be predicted, and kIgnoredLabel
// elsewhere. The first token of a row is never predicted: CausalLmLoss shifts the labels by one.
struct Dataset {
  int64_t seq_len = 0;
  std::vector<int64_t> input_ids;  // [num_rows * seq_len]
  std::vector<int64_t> labels;     // [num_rows * seq_len]
  // How the file was read if its name alone does not say: "is read as an array of rows, not as text". Else empty.
  std::string remark = {};

  // Returns the number of rows.
  int64_t num_rows() const { return static_cast<int64_t>(input_ids.size()) / seq_len; }
};

// How a file becomes rows.
struct DatasetOptions {
  // How rows become token ids. The tokenizer is also used for text.
  JsonlEncoding encoding = {};

  // Tokens of a row. 0: the longest row of a file of JSON rows (at most max_seq_len), and max_seq_len for other files.
  int64_t seq_len = 0;

  // The longest row that is allowed: the model's max_position_embeddings, or less.
  int64_t max_seq_len = 0;

  // The model's vocabulary. Other ids are refused.
  int64_t vocab_size = 0;
};

// Reads training or validation data:
// - text, which begins with BOS (if the tokenizer has one) and is cut into consecutive windows, a shorter last one
//   dropped;
// - a one-dimensional .npy of token ids, cut in the same way;
// - rows {source, target} or {source_ids, target_ids}, one JSON object per line (JSONL) or all in one JSON array. A
//   row becomes BOS source target EOS with the loss on target and EOS, cut or padded on the right. A row whose source
//   alone fills it predicts nothing.
//
// The file's name and content tell these apart: .npy, .jsonl (or .ndjson) and .json are taken at their word, and a file
// of another name that begins with such a row or with the signature of .npy is read as what it holds. A file that is
// neither UTF-8 text nor .npy is refused.
//
// NotFound / InvalidArgument name the file, the line or byte, and what is allowed.
absl::StatusOr<Dataset> ReadDataset(const std::string& path, const DatasetOptions& options);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_DATA_DATASET_H_
