#ifndef GREENPLAN_TRAINER_CLIENT_DATA_TOKENIZER_H_
#define GREENPLAN_TRAINER_CLIENT_DATA_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace greenplan::trainer {

// A SentencePiece model. Thread-safe.
class Tokenizer {
 public:
  // NotFound / InvalidArgument name the file.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& path);
  ~Tokenizer();

  // No BOS, no EOS.
  std::vector<int64_t> Encode(std::string_view text) const;
  // kNoToken where the model has none.
  int64_t bos_id() const;
  int64_t eos_id() const;
  int64_t vocab_size() const;
  // Where it was loaded from, for messages.
  const std::string& path() const;

  static constexpr int64_t kNoToken = -1;

 private:
  class Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_DATA_TOKENIZER_H_
