#ifndef GREENPLAN_TRAINER_CLIENT_DATA_SENTENCEPIECE_MODEL_H_
#define GREENPLAN_TRAINER_CLIENT_DATA_SENTENCEPIECE_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace greenplan::trainer {

// SentencePiece without its headers, which declare an absl::string_view that clashes with Abseil's: neither these
// functions nor their .cc may see Abseil. An error is a message, empty on success.

// Const methods are thread-safe.
class SentencePieceModel {
 public:
  SentencePieceModel();
  ~SentencePieceModel();

  // Loads the bytes of a tokenizer.model. Returns an empty string, or what is wrong with them.
  std::string Load(const std::string& serialized_model);
  // Returns the ids of the text's pieces. SentencePiece's time and memory grow faster than the text, so the text is cut
  // into chunks of at least `chunk_bytes`, at spaces that no piece of this model can reach across: the pieces are those
  // of the whole text. A unigram model's text is never cut, because every piece depends on the whole text before it.
  std::vector<int> Encode(std::string_view text, size_t chunk_bytes = 1 << 12) const;
  // Return the ids of BOS and EOS; -1 if there is none.
  int bos_id() const;
  int eos_id() const;
  // Returns the number of pieces.
  int size() const;

 private:
  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
  bool can_cut_ = false;
};

// Learns a byte-pair encoding from the lines: pieces 0, 1, 2 are unknown, BOS, EOS; bytes that no piece covers are
// pieces of their own; text is taken as it is. The same lines give the same bytes.
std::string TrainSentencePieceModel(const std::vector<std::string>& lines, int vocab_size,
                                    std::string* serialized_model);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_DATA_SENTENCEPIECE_MODEL_H_
