// tokenizer.model files. A model that loads encodes any text with ids of its vocabulary, in chunks as it does as a
// whole.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/fuzz/require.h"
#include "trainer_client/data/sentencepiece_model.h"

namespace greenplan::trainer {
namespace {

void LoadAndEncode(const std::string& file) {
  SentencePieceModel model;
  if (file.empty() || !model.Load(file).empty() || model.size() == 0) return;
  Require(model.bos_id() < model.size() && model.eos_id() < model.size(), "special tokens lie in the vocabulary");
  const std::string text = "A text  with spaces,\nlines and \xc3\xa9\xe2\x82\xac, bad \xff bytes and abab abab abab.";
  const std::vector<int> whole = model.Encode(text, text.size());
  for (const int id : whole) Require(id >= 0 && id < model.size(), "ids lie in the vocabulary");
  Require(model.Encode(text, 8) == whole, "a text in chunks has the pieces of the whole text");
}

}  // namespace
}  // namespace greenplan::trainer

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  greenplan::trainer::LoadAndEncode(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
