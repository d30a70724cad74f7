#include "trainer_client/data/dataset.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "planner/files/files.h"
#include "trainer_client/data/jsonl.h"
#include "trainer_client/data/npy.h"

namespace greenplan::trainer {
namespace {

using Ids = std::vector<int64_t>;

absl::Status Failure(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
}

// The first id outside the vocabulary, or ids.end().
Ids::const_iterator FirstOutside(const Ids& ids, int64_t vocab_size) {
  return std::find_if(ids.begin(), ids.end(), [&](int64_t id) { return id < 0 || id >= vocab_size; });
}

std::string OutsideText(int64_t id, int64_t vocab_size) {
  return absl::StrCat(id, "; allowed: 0 to ", vocab_size - 1, ", the model's vocabulary");
}

absl::StatusOr<Ids> EncodeText(const std::string& path, const std::string& text, const Tokenizer* tokenizer) {
  if (text.empty()) return Failure(path, "is empty; text is needed");
  if (text.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    return Failure(path, absl::StrCat("holds ", text.size(), " bytes; text may have up to ",
                                      std::numeric_limits<int32_t>::max(), ", a .npy of token ids more"));
  }
  if (tokenizer == nullptr) return Failure(path, "text needs a tokenizer, and none is given");
  if (tokenizer->bos_id() == Tokenizer::kNoToken) {
    return Failure(path, absl::StrCat("text begins with BOS, which ", tokenizer->path(), " lacks"));
  }
  Ids ids = tokenizer->Encode(text);
  ids.insert(ids.begin(), tokenizer->bos_id());
  return ids;
}

// Consecutive windows; a shorter last one is dropped.
absl::StatusOr<Dataset> CutWindows(const std::string& path, Ids ids, int64_t seq_len, int64_t vocab_size) {
  if (const auto it = FirstOutside(ids, vocab_size); it != ids.end()) {
    return Failure(path, absl::StrCat("token ", it - ids.begin(), " is ", OutsideText(*it, vocab_size)));
  }
  const int64_t count = static_cast<int64_t>(ids.size());
  if (count < seq_len) {
    return Failure(path, absl::StrCat("holds ", count, " tokens; one window takes ", seq_len));
  }
  ids.resize(count / seq_len * seq_len);
  Dataset data{seq_len, std::move(ids), {}};
  data.labels = data.input_ids;
  for (int64_t i = 0; i < data.num_rows(); ++i) data.labels[i * seq_len] = kIgnoredLabel;
  return data;
}

absl::StatusOr<Dataset> PadRows(const std::string& path, const std::vector<JsonlRow>& rows, int64_t seq_len,
                                int64_t vocab_size) {
  Dataset data{seq_len, {}, {}};
  // Padding is never predicted and stands behind all that is, so any id of the vocabulary does.
  data.input_ids.assign(rows.size() * seq_len, 0);
  data.labels.assign(rows.size() * seq_len, kIgnoredLabel);
  for (size_t i = 0; i < rows.size(); ++i) {
    const JsonlRow& row = rows[i];
    if (const auto it = FirstOutside(row.ids, vocab_size); it != row.ids.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", row.line, ": a token is ", OutsideText(*it, vocab_size)));
    }
    const int64_t length = std::min<int64_t>(row.ids.size(), seq_len);
    std::copy_n(row.ids.begin(), length, data.input_ids.begin() + i * seq_len);
    for (int64_t t = row.first_predicted; t < length; ++t) data.labels[i * seq_len + t] = row.ids[t];
  }
  return data;
}

absl::StatusOr<Dataset> FromJsonl(const std::string& path, const std::string& content, const Tokenizer* tokenizer,
                                  int64_t seq_len, int64_t max_seq_len, int64_t vocab_size,
                                  const SpecialTokens& special) {
  absl::StatusOr<std::vector<JsonlRow>> rows = ParseJsonl(content, tokenizer, special);
  if (!rows.ok()) return absl::InvalidArgumentError(absl::StrCat(path, ":", rows.status().message()));
  if (rows->empty()) return Failure(path, "is empty; at least one row is needed");
  if (seq_len == 0) {
    for (const JsonlRow& row : *rows) seq_len = std::max<int64_t>(seq_len, row.ids.size());
    seq_len = std::min(seq_len, max_seq_len);
  }
  return PadRows(path, *rows, seq_len, vocab_size);
}

}  // namespace

absl::StatusOr<Dataset> ReadDataset(const std::string& path, const Tokenizer* tokenizer, int64_t seq_len,
                                    int64_t max_seq_len, int64_t vocab_size, const SpecialTokens& special) {
  constexpr int64_t kShortest = 2;  // One token predicts another.
  if (max_seq_len < kShortest || (seq_len != 0 && (seq_len < kShortest || seq_len > max_seq_len))) {
    return absl::InvalidArgumentError(absl::StrCat("seq_len is ", seq_len == 0 ? max_seq_len : seq_len, "; allowed: ",
                                                   kShortest, " to ", max_seq_len, ", max_position_embeddings"));
  }
  absl::StatusOr<std::string> content = ReadFile(path);
  if (!content.ok()) return content.status();
  if (absl::EndsWith(path, ".jsonl")) {
    return FromJsonl(path, *content, tokenizer, seq_len, max_seq_len, vocab_size, special);
  }
  const bool is_npy = absl::EndsWith(path, ".npy");
  absl::StatusOr<Ids> ids = is_npy ? ParseNpy(*content) : EncodeText(path, *content, tokenizer);
  if (!ids.ok()) return is_npy ? Failure(path, std::string(ids.status().message())) : ids.status();
  return CutWindows(path, *std::move(ids), seq_len == 0 ? max_seq_len : seq_len, vocab_size);
}

}  // namespace greenplan::trainer
