#include "trainer_client/data/sentencepiece_model.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <exception>

namespace greenplan::trainer {
namespace {

constexpr std::string_view kSpace = "\xe2\x96\x81";  // U+2581, which stands for a space in pieces.

// A unigram model adds up the scores of a text's pieces in single precision: of two ways to split a word, the whole
// text before it can decide which one is taken. Only unigram models list the best ways to split a text.
bool IsUnigram(const sentencepiece::SentencePieceProcessor& processor) {
  std::vector<std::vector<std::string>> splits;
  return processor.NBestEncode("a", 1, &splits).ok();
}

bool HasSpaceBehindCharacter(const std::string& piece) {
  const size_t last_space = piece.rfind(kSpace);
  if (last_space == std::string::npos) return false;
  for (size_t at = 0; at < last_space; at += kSpace.size()) {
    if (piece.compare(at, kSpace.size(), kSpace) != 0) return true;
  }
  return false;
}

// A word that no model of words knows.
std::string LongerThanAllPieces(const sentencepiece::SentencePieceProcessor& processor) {
  size_t longest = 0;
  for (int i = 0; i < processor.GetPieceSize(); ++i) longest = std::max(longest, processor.IdToPiece(i).size());
  std::string word;
  while (word.size() <= longest) word += "\U0010fffd";
  return word;
}

// Whether a text may be cut at a single space between words: the space and the word behind it are encoded as a text of
// that word alone is (whose missing space SentencePiece adds), and no piece has a space behind another character.
bool CanCutAtSpaces(const sentencepiece::SentencePieceProcessor& processor) {
  if (IsUnigram(processor)) return false;
  std::vector<std::string> pieces;
  if (!processor.Encode("a", &pieces).ok() || pieces.empty() || !pieces[0].starts_with(kSpace)) return false;
  // Runs of what is unknown become one piece; a space must end them. A model of words takes it for a part of the word.
  if (processor.IsUnknown(processor.PieceToId(kSpace))) return false;
  const std::string word = LongerThanAllPieces(processor);
  const bool is_encoded = processor.Encode(word + " " + word, &pieces).ok();
  if (!is_encoded || std::any_of(pieces.begin(), pieces.end(), HasSpaceBehindCharacter)) return false;
  for (int i = 0; i < processor.GetPieceSize(); ++i) {
    if (HasSpaceBehindCharacter(processor.IdToPiece(i))) return false;
  }
  return true;
}

// A control piece stands for no text, and SentencePiece encodes no text that it finds one in. A model that merges
// pieces finds one that is a character, or whose text an ordinary piece has as well. Returns what is wrong, or an empty
// string.
std::string FindBadPiece(const sentencepiece::SentencePieceProcessor& processor) {
  const bool is_unigram = IsUnigram(processor);
  for (int i = 0; i < processor.GetPieceSize(); ++i) {
    const std::string& piece = processor.IdToPiece(i);
    if (std::isnan(processor.GetScore(i))) return "the score of its piece " + piece + " is no number";
    if (is_unigram) continue;
    if (processor.PieceToId(piece) != i) return "its piece " + piece + " occurs twice";
    const auto begins_character = [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; };
    if (processor.IsControl(i) && std::count_if(piece.begin(), piece.end(), begins_character) == 1) {
      return "its control piece " + piece + " is a character that texts may hold";
    }
  }
  return "";
}

bool IsAsciiAlphanumeric(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// The first single space between words at or behind `from`, or the end.
size_t FindCut(std::string_view text, size_t from) {
  for (size_t at = text.find(' ', from); at != std::string_view::npos; at = text.find(' ', at + 1)) {
    if (at > 0 && at + 1 < text.size() && IsAsciiAlphanumeric(text[at - 1]) && IsAsciiAlphanumeric(text[at + 1])) {
      return at;
    }
  }
  return text.size();
}

}  // namespace

SentencePieceModel::SentencePieceModel() : processor_(std::make_unique<sentencepiece::SentencePieceProcessor>()) {}
SentencePieceModel::~SentencePieceModel() = default;

std::string SentencePieceModel::Load(const std::string& serialized_model) {
  // SentencePiece returns most errors; a unigram model with an empty piece makes the trie of its pieces throw.
  try {
    const sentencepiece::util::Status status = processor_->LoadFromSerializedProto(serialized_model);
    if (!status.ok()) return status.ToString();
    can_cut_ = CanCutAtSpaces(*processor_);
    return FindBadPiece(*processor_);
  } catch (const std::exception& error) {
    processor_ = std::make_unique<sentencepiece::SentencePieceProcessor>();
    return error.what();
  }
}

std::vector<int> SentencePieceModel::Encode(std::string_view text, size_t chunk_bytes) const {
  std::vector<int> ids, chunk_ids;
  while (!text.empty()) {
    const size_t cut = can_cut_ ? FindCut(text, chunk_bytes) : text.size();
    // Fails only where no model is loaded.
    (void)processor_->Encode(text.substr(0, cut), &chunk_ids);
    ids.insert(ids.end(), chunk_ids.begin(), chunk_ids.end());
    text.remove_prefix(cut == text.size() ? cut : cut + 1);
  }
  return ids;
}

int SentencePieceModel::bos_id() const { return processor_->bos_id(); }
int SentencePieceModel::eos_id() const { return processor_->eos_id(); }
int SentencePieceModel::size() const { return processor_->GetPieceSize(); }

}  // namespace greenplan::trainer
