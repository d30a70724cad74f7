#include <sentencepiece_trainer.h>

#include <unordered_map>

#include "trainer_client/data/sentencepiece_model.h"

namespace sentencepiece::logging {
// Exported by the library, though in none of its installed headers.
void SetMinLogLevel(int level);
}  // namespace sentencepiece::logging

namespace greenplan::trainer {
namespace {

class Lines : public sentencepiece::SentenceIterator {
 public:
  explicit Lines(const std::vector<std::string>& lines) : lines_(lines) {}
  bool done() const override { return next_ == lines_.size(); }
  void Next() override { ++next_; }
  const std::string& value() const override { return lines_[next_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string>& lines_;
  size_t next_ = 0;
};

}  // namespace

std::string TrainSentencePieceModel(const std::vector<std::string>& lines, int vocab_size,
                                    std::string* serialized_model) {
  const std::unordered_map<std::string, std::string> options = {
      {"model_type", "bpe"},
      {"vocab_size", std::to_string(vocab_size)},
      {"byte_fallback", "true"},
      {"character_coverage", "0.9999"},
      {"normalization_rule_name", "identity"},
      {"remove_extra_whitespaces", "false"},
      {"allow_whitespace_only_pieces", "true"},
      {"split_digits", "true"},
      {"max_sentence_length", "1000000"},
      {"num_threads", "1"},
  };
  Lines iterator(lines);
  sentencepiece::logging::SetMinLogLevel(4);
  const sentencepiece::util::Status status =
      sentencepiece::SentencePieceTrainer::Train(options, &iterator, serialized_model);
  if (status.ok()) return "";
  // "Internal: ./src/file.cc(660) [condition] What is wrong.": the last part is for users.
  const std::string text = status.ToString();
  const size_t condition_end = text.rfind("] ");
  return condition_end == std::string::npos ? text : text.substr(condition_end + 2);
}

}  // namespace greenplan::trainer
