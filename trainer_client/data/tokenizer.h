#ifndef GREENPLAN_TRAINER_CLIENT_DATA_TOKENIZER_H_
#define GREENPLAN_TRAINER_CLIENT_DATA_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace greenplan::trainer {

// What to do about data that need another tokenizer than the ones read here; the end of a message.
inline constexpr char kTokenizeInPython[] =
    "make token ids of the data with the model's own tokenizer: python -m greenplan tokenize --model DIR "
    "--input F.jsonl --output ids.jsonl writes {source_ids, target_ids}";

// A SentencePiece model, with what tokenizer_config.json and the like beside it say about special and added tokens.
// Thread-safe.
//
//   auto tokenizer = Tokenizer::Load("my-model/tokenizer.model");
//   absl::StatusOr<std::vector<int64_t>> ids = (*tokenizer)->Encode("a text");
class Tokenizer {
 public:
  // Loads `path`, usually a tokenizer.model, and the files beside it. NotFound / InvalidArgument name the file and say
  // what it is if it is no SentencePiece model.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& path);
  ~Tokenizer();

  // Returns the ids of a text, without BOS and EOS. InvalidArgument if the text holds an added token, such as
  // "<|im_start|>", that the SentencePiece model would split where transformers keeps one id; the message, which
  // follows the name of the text, says which one and at which byte.
  absl::StatusOr<std::vector<int64_t>> Encode(std::string_view text) const;

  // Return nullopt if the tokenizer has no such token.
  std::optional<int64_t> bos_id() const;
  std::optional<int64_t> eos_id() const;

  // The number of pieces of the SentencePiece model.
  int64_t vocab_size() const;
  // Where it was loaded from, for messages.
  const std::string& path() const;

 private:
  class Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_DATA_TOKENIZER_H_
