#include "trainer_client/data/tokenizer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "planner/files/files.h"
#include "trainer_client/data/sentencepiece_model.h"

namespace greenplan::trainer {

class Tokenizer::Impl {
 public:
  SentencePieceModel model;
  std::string path;
};

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Load(const std::string& path) {
  absl::StatusOr<std::string> content = ReadFile(path);
  if (!content.ok()) return content.status();
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  // SentencePiece takes an empty file for a model without pieces.
  const std::string error = content->empty() ? "it is empty" : impl->model.Load(*content);
  if (!error.empty() || impl->model.size() == 0) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is not a SentencePiece model: ", error));
  }
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::move(impl)));
}

std::vector<int64_t> Tokenizer::Encode(std::string_view text) const {
  const std::vector<int> ids = impl_->model.Encode(text);
  return {ids.begin(), ids.end()};
}

int64_t Tokenizer::bos_id() const { return impl_->model.bos_id(); }
int64_t Tokenizer::eos_id() const { return impl_->model.eos_id(); }
int64_t Tokenizer::vocab_size() const { return impl_->model.size(); }
const std::string& Tokenizer::path() const { return impl_->path; }

}  // namespace greenplan::trainer
