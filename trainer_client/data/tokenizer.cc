#include "trainer_client/data/tokenizer.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "planner/files/files.h"
#include "trainer_client/data/sentencepiece_model.h"
#include "trainer_client/data/tokenizer_config.h"

namespace greenplan::trainer {
namespace {

using Ids = std::vector<int64_t>;

std::optional<int64_t> IdOrNone(int id) { return id < 0 ? std::nullopt : std::make_optional<int64_t>(id); }

// Whether a file is a vocabulary of tiktoken, with which LLaMA 3 and Qwen came: lines of a token in base64 and its
// rank.
bool IsTiktoken(std::string_view content) {
  const std::string_view line = content.substr(0, content.find('\n'));
  const size_t space = line.find(' ');
  std::string token;
  return space != std::string_view::npos && space + 1 < line.size() && space > 0 &&
         absl::Base64Unescape(absl::string_view(line.data(), space), &token) &&
         std::all_of(line.begin() + space + 1, line.end(), [](char c) { return absl::ascii_isdigit(c) || c == '\r'; });
}

std::string NoModelText(std::string_view content, const std::string& error) {
  if (content.empty()) return "is not a SentencePiece model: it is empty";
  if (IsTiktoken(content)) {
    return absl::StrCat("is not a SentencePiece model but a tiktoken vocabulary, which is not read; ",
                        kTokenizeInPython);
  }
  return absl::StrCat("is not a SentencePiece model (", error, "); ", kTokenizeInPython);
}

// Texts that must not be split, found in one pass over a text.
class UnsplitTexts {
 public:
  void Add(const std::string& text) {
    std::vector<std::string>& alike = by_first_[text[0]];
    if (alike.empty()) first_.push_back(text[0]);
    alike.push_back(text);
  }

  // The first of them in `text`, as (offset, which); or npos.
  std::pair<size_t, std::string> FindIn(std::string_view text) const {
    for (size_t at = text.find_first_of(first_); at != std::string_view::npos;
         at = text.find_first_of(first_, at + 1)) {
      for (const std::string& candidate : by_first_.at(text[at])) {
        if (text.substr(at).starts_with(candidate)) return {at, candidate};
      }
    }
    return {std::string_view::npos, ""};
  }

 private:
  std::map<char, std::vector<std::string>> by_first_;
  std::string first_;  // Their first bytes, each once.
};

}  // namespace

class Tokenizer::Impl {
 public:
  SentencePieceModel model;
  std::string path;
  TokenizerConfig config;
  UnsplitTexts split_by_model;  // The added tokens that the model would split.
};

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Load(const std::string& path) {
  absl::StatusOr<std::string> content = ReadFile(path);
  if (!content.ok()) return content.status();
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  // SentencePiece takes an empty file for a model without pieces.
  const std::string error = content->empty() ? "" : impl->model.Load(*content);
  if (!error.empty() || impl->model.size() == 0) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", NoModelText(*content, error)));
  }
  absl::StatusOr<TokenizerConfig> config = ReadTokenizerConfig(std::filesystem::absolute(path).parent_path());
  if (!config.ok()) return config.status();
  impl->config = *std::move(config);
  for (const auto& [text, id] : impl->config.added_tokens) {
    const std::vector<int> pieces = impl->model.Encode(text);
    if (std::find(pieces.begin(), pieces.end(), id) == pieces.end()) impl->split_by_model.Add(text);
  }
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::move(impl)));
}

absl::StatusOr<Ids> Tokenizer::Encode(std::string_view text) const {
  const auto [at, token] = impl_->split_by_model.FindIn(text);
  if (at != std::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("holds \"", token, "\" at byte ", at,
                                                   ", an added token that must stay one id but that ", impl_->path,
                                                   " would split; ", kTokenizeInPython));
  }
  const std::vector<int> ids = impl_->model.Encode(text);
  return Ids(ids.begin(), ids.end());
}

std::optional<int64_t> Tokenizer::bos_id() const {
  return impl_->config.has_no_bos ? std::nullopt : IdOrNone(impl_->model.bos_id());
}

std::optional<int64_t> Tokenizer::eos_id() const {
  return impl_->config.eos ? impl_->config.eos : IdOrNone(impl_->model.eos_id());
}

int64_t Tokenizer::vocab_size() const { return impl_->model.size(); }
const std::string& Tokenizer::path() const { return impl_->path; }

}  // namespace greenplan::trainer
