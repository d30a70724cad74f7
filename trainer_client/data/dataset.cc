#include "trainer_client/data/dataset.h"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "planner/files/files.h"
#include "trainer_client/data/npy.h"
#include "trainer_client/data/text_file.h"

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

absl::StatusOr<Ids> EncodeText(const std::string& path, std::string_view text, const JsonlEncoding& encoding) {
  if (text.empty()) return Failure(path, "is empty; text is needed");
  if (text.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    return Failure(path, absl::StrCat("holds ", text.size(), " bytes; text may have up to ",
                                      std::numeric_limits<int32_t>::max(), ", a .npy of token ids more"));
  }
  const Tokenizer* tokenizer = encoding.tokenizer;
  if (tokenizer == nullptr) return Failure(path, absl::StrCat("text needs a tokenizer, and ", encoding.no_tokenizer));
  absl::StatusOr<Ids> ids = tokenizer->Encode(text);
  if (!ids.ok()) return Failure(path, std::string(ids.status().message()));
  if (const std::optional<int64_t> bos = tokenizer->bos_id()) ids->insert(ids->begin(), *bos);
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
  Dataset data{.seq_len = seq_len, .input_ids = std::move(ids)};
  data.labels = data.input_ids;
  for (int64_t i = 0; i < data.num_rows(); ++i) data.labels[i * seq_len] = kIgnoredLabel;
  return data;
}

absl::StatusOr<Dataset> PadRows(const std::string& path, const std::vector<JsonlRow>& rows, int64_t seq_len,
                                int64_t vocab_size) {
  Dataset data{.seq_len = seq_len};
  // Padding is never predicted and stands behind all that is, so any id of the vocabulary does.
  data.input_ids.assign(rows.size() * seq_len, 0);
  data.labels.assign(rows.size() * seq_len, kIgnoredLabel);
  for (size_t i = 0; i < rows.size(); ++i) {
    const JsonlRow& row = rows[i];
    if (const auto it = FirstOutside(row.ids, vocab_size); it != row.ids.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", row.place, ": a token is ", OutsideText(*it, vocab_size)));
    }
    const int64_t length = std::min<int64_t>(row.ids.size(), seq_len);
    std::copy_n(row.ids.begin(), length, data.input_ids.begin() + i * seq_len);
    for (int64_t t = row.first_predicted; t < length; ++t) data.labels[i * seq_len + t] = row.ids[t];
  }
  return data;
}

absl::StatusOr<Dataset> FromRows(const std::string& path, absl::StatusOr<std::vector<JsonlRow>> rows,
                                 const DatasetOptions& options) {
  if (!rows.ok()) return absl::InvalidArgumentError(absl::StrCat(path, ":", rows.status().message()));
  if (rows->empty()) return Failure(path, "is empty; at least one row is needed");
  int64_t seq_len = options.seq_len;
  if (seq_len == 0) {
    for (const JsonlRow& row : *rows) seq_len = std::max<int64_t>(seq_len, row.ids.size());
    seq_len = std::min(seq_len, options.max_seq_len);
  }
  return PadRows(path, *rows, seq_len, options.vocab_size);
}

enum class Format { kText, kJsonl, kJsonArray };

bool HasEnding(const std::string& path, std::initializer_list<absl::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(),
                     [&](absl::string_view ending) { return absl::EndsWithIgnoreCase(path, ending); });
}

// What a text holds, by its name and content. InvalidArgument if its name promises what it does not hold.
absl::StatusOr<Format> FormatOf(const std::string& path, std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  const char first = begin == std::string_view::npos ? 0 : text[begin];
  const bool is_json = HasEnding(path, {".json"});
  if (is_json || HasEnding(path, {".jsonl", ".ndjson"})) {
    if (first == '[') return Format::kJsonArray;
    if (!is_json || HoldsRow(text)) return Format::kJsonl;
    return Failure(path,
                   "holds no rows {source, target} or {source_ids, target_ids}; allowed: one array of them, or one a "
                   "line. Name a file .txt if it is to be trained on as text");
  }
  if (HasEnding(path, {".csv", ".tsv"})) {
    return Failure(path,
                   "is a table; allowed: rows {source, target} as JSONL. Name a file .txt if it is to be trained on as "
                   "text");
  }
  if (!HoldsRow(text)) return Format::kText;
  return first == '[' ? Format::kJsonArray : Format::kJsonl;
}

// Why a file with this ending is none. `text` is what TextOf() says of it.
absl::Status NotNpy(const std::string& path, std::string_view file, const absl::StatusOr<std::string_view>& text) {
  if (file.empty()) return Failure(path, "is empty, not a .npy file");
  if (text.ok()) return Failure(path, "is text, not a .npy file; name it .txt or .jsonl for what it is");
  if (!KnownKind(file).empty()) return Failure(path, std::string(text.status().message()));
  return Failure(path, "is not a .npy file, which begins with the byte 0x93 and NUMPY");
}

}  // namespace

absl::StatusOr<Dataset> ReadDataset(const std::string& path, const DatasetOptions& options) {
  constexpr int64_t kShortest = 2;  // One token predicts another.
  const int64_t max_seq_len = options.max_seq_len;
  const int64_t seq_len = options.seq_len == 0 ? max_seq_len : options.seq_len;
  if (seq_len < kShortest || seq_len > max_seq_len) {
    return absl::InvalidArgumentError(absl::StrCat("seq_len is ", seq_len, "; allowed: ", kShortest, " to ",
                                                   max_seq_len, ", max_position_embeddings"));
  }
  absl::StatusOr<std::string> content = ReadFile(path);
  if (!content.ok()) return content.status();
  if (IsNpy(*content)) {
    absl::StatusOr<Ids> ids = ParseNpy(*content);
    if (!ids.ok()) return Failure(path, std::string(ids.status().message()));
    return CutWindows(path, *std::move(ids), seq_len, options.vocab_size);
  }
  const absl::StatusOr<std::string_view> text = TextOf(*content);
  if (HasEnding(path, {".npy"})) return NotNpy(path, *content, text);
  if (!text.ok()) return Failure(path, std::string(text.status().message()));
  const absl::StatusOr<Format> format = FormatOf(path, *text);
  if (!format.ok()) return format.status();
  if (*format == Format::kText) {
    absl::StatusOr<Ids> ids = EncodeText(path, *text, options.encoding);
    if (!ids.ok()) return ids.status();
    return CutWindows(path, *std::move(ids), seq_len, options.vocab_size);
  }
  const bool is_array = *format == Format::kJsonArray;
  absl::StatusOr<Dataset> data =
      FromRows(path, is_array ? ParseJsonArray(*text, options.encoding) : ParseJsonl(*text, options.encoding), options);
  if (data.ok() && (is_array || !HasEnding(path, {".jsonl", ".ndjson"}))) {
    data->remark = absl::StrCat("is read as ", is_array ? "an array of rows" : "rows, one a line", ", not as text");
  }
  return data;
}

}  // namespace greenplan::trainer
