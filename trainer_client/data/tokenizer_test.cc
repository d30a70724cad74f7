#include "trainer_client/data/tokenizer.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "trainer_client/data/sentencepiece_model.h"

namespace greenplan::trainer {
namespace {

std::string Train(int vocab_size) {
  std::string model;
  const std::vector<std::string> lines = {"the quick brown fox jumps over the lazy dog", "the dog sleeps",
                                          "the fox and the dog are quick"};
  EXPECT_EQ(TrainSentencePieceModel(lines, vocab_size, &model), "");
  return model;
}

std::string Write(const std::string& name, const std::string& content) {
  const std::string path = testing::TempDir() + "/" + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

TEST(TokenizerTest, EncodesWithoutBosAndEos) {
  const auto tokenizer = Tokenizer::Load(Write("t.model", Train(300)));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->bos_id(), 1);
  EXPECT_EQ((*tokenizer)->eos_id(), 2);
  EXPECT_EQ((*tokenizer)->vocab_size(), 300);
  const std::vector<int64_t> ids = *(*tokenizer)->Encode("the dog");
  EXPECT_LT(ids.size(), 7) << "frequent words must be fewer pieces than letters";
  for (const int64_t id : ids) EXPECT_GT(id, 2);
  EXPECT_TRUE((*tokenizer)->Encode("")->empty());
}

TEST(TokenizerTest, EncodesWhatItNeverSawByItsBytes) {
  const auto tokenizer = Tokenizer::Load(Write("bytes.model", Train(300)));
  for (const char* text : {"\n", "é", "\xF0\x9F\x8C\xB1"}) {
    const std::vector<int64_t> ids = *(*tokenizer)->Encode(text);
    EXPECT_GE(ids.size(), std::string(text).size());
    for (const int64_t id : ids) EXPECT_NE(id, 0) << "unknown piece in " << text;
  }
}

TEST(SentencePieceModelTest, PiecesOfATextInChunksAreThoseOfTheWhole) {
  SentencePieceModel model;
  ASSERT_EQ(model.Load(Train(300)), "");
  std::mt19937 random(2);
  const std::vector<std::string> words = {"the", "dog",    "quick", "jumps,",        "\n",
                                          " ",   "\u2581", "42",    "\u00e9t\u00e9", "\t"};
  for (int round = 0; round < 200; ++round) {
    std::string text;
    for (int i = 0; i < 60; ++i) text += words[random() % words.size()] + (random() % 5 == 0 ? "" : " ");
    const std::vector<int> whole = model.Encode(text, text.size());
    for (const size_t chunk_bytes : {0, 1, 7, 100}) EXPECT_EQ(model.Encode(text, chunk_bytes), whole) << text;
  }
}

// A field of a protocol buffer that has a length.
std::string Field(int number, const std::string& bytes) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
}

// A piece of a model.
std::string Piece(const std::string& text, float score, char type = 1) {
  std::string bytes = Field(1, text) + '\x15' + std::string(sizeof(score), '\0') + '\x18' + type;
  std::memcpy(&bytes[text.size() + 3], &score, sizeof(score));
  return Field(1, bytes);
}

TEST(SentencePieceModelTest, AUnigramModelEncodesTheWholeTextAtOnce) {
  // After the score of the first piece, a single-precision sum no longer tells the two ways to split " a" apart.
  SentencePieceModel model;
  ASSERT_EQ(model.Load(Piece("<unk>", 0, 2) + Piece("\u2581", -1) + Piece("a", -1) + Piece("\u2581a", -3) +
                       Piece("\u2581x", -1e9F) + Field(2, "\x18\x01") + Field(3, Field(1, "identity"))),
            "");
  EXPECT_EQ(model.Encode("a", 100), (std::vector<int>{1, 2}));
  EXPECT_EQ(model.Encode("x a", 100), (std::vector<int>{4, 3}));
  EXPECT_EQ(model.Encode("x a", 1), (std::vector<int>{4, 3}));
}

TEST(SentencePieceModelTest, AUnigramModelWithAnEmptyPieceIsRefused) {
  SentencePieceModel model;
  const std::string rest = Piece("a", -1) + Field(2, "\x18\x01") + Field(3, Field(1, "identity"));
  EXPECT_NE(model.Load(Piece("<unk>", 0, 2) + Piece("", -1) + rest), "");
  EXPECT_EQ(model.Load(Piece("<unk>", 0, 2) + rest), "");
  EXPECT_EQ(model.Encode("a", 100).back(), 1);
}

TEST(SentencePieceModelTest, AModelOfWordsEncodesTheWholeTextAtOnce) {
  SentencePieceModel model;
  ASSERT_EQ(model.Load(Piece("<unk>", 0, 2) + Piece("\u2581", -1) + Piece("\u2581a", -2) + Field(2, "\x18\x03") +
                       Field(3, Field(1, "identity"))),
            "");
  EXPECT_EQ(model.Encode("x x a", 1), (std::vector<int>{0, 2})) << "unknown words are one piece";
  EXPECT_EQ(model.Encode("x x a", 100), (std::vector<int>{0, 2}));
}

TEST(SentencePieceModelTest, AModelOfWordsIsKnownByWordsThatItCannotHave) {
  SentencePieceModel model;  // It knows the rarest of characters as a word.
  ASSERT_EQ(model.Load(Piece("<unk>", 0, 2) + Piece("\u2581\U0010fffd", -1) + Piece("\u2581", -2) +
                       Field(2, "\x18\x03") + Field(3, Field(1, "identity"))),
            "");
  EXPECT_EQ(model.Encode("x x \U0010fffd", 1), (std::vector<int>{0, 1}));
  EXPECT_EQ(model.Encode("x x \U0010fffd", 100), (std::vector<int>{0, 1}));
}

TEST(SentencePieceModelTest, AScoreThatIsNoNumberIsRefused) {
  SentencePieceModel model;
  EXPECT_EQ(model.Load(Piece("<unk>", 0, 2) + Piece("a", NAN) + Field(2, "\x18\x02") + Field(3, Field(1, "identity"))),
            "the score of its piece a is no number");
}

// SentencePiece encodes no text that holds one.
TEST(SentencePieceModelTest, AControlPieceThatTextsMayHoldIsRefused) {
  const auto model_with = [](const std::string& control) {
    return Piece("<unk>", 0, 2) + Piece(control, 0, 3) + Piece("\u2581", -1) + Piece("a", -2) + Field(2, "\x18\x02") +
           Field(3, Field(1, "identity"));
  };
  SentencePieceModel model;
  EXPECT_EQ(model.Load(model_with("\u00e9")), "its control piece \u00e9 is a character that texts may hold");
  EXPECT_EQ(model.Load(model_with("a")), "its control piece a is a character that texts may hold");
  EXPECT_EQ(model.Load(model_with("\u2581a") + Piece("\u2581a", -3)), "its piece \u2581a occurs twice");
  EXPECT_EQ(model.Load(model_with("<s>")), "");
  EXPECT_EQ(model.Encode("a", 100), (std::vector<int>{2, 3}));
}

TEST(TokenizerTest, NamesAFileThatIsMissingEmptyOrNoModel) {
  const absl::Status missing = Tokenizer::Load("/no/such.model").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(missing.message(), "/no/such.model cannot be read: No such file or directory");
  for (const std::string content : {"", "no model", "\x0a\xff\xff\xff\xff\x0f"}) {
    const std::string path = Write("broken.model", content);
    const absl::Status status = Tokenizer::Load(path).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << content;
    EXPECT_NE(status.message().find(path + ": is not a SentencePiece model"), std::string::npos) << status;
  }
}

// A folder with a tokenizer.model of 300 pieces and another file beside it.
std::string FolderWith(const std::string& name, const std::string& content) {
  const std::string folder = testing::TempDir() + "/with_" + name;
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/tokenizer.model", std::ios::binary) << Train(300);
  std::ofstream(folder + "/" + name) << content;
  return folder;
}

TEST(TokenizerTest, RefusesTextWithAnAddedTokenThatTheModelWouldSplit) {
  const std::pair<const char*, const char*> files[] = {
      {"added_tokens.json", R"({"<|im_start|>": 300})"},
      {"tokenizer_config.json", R"({"added_tokens_decoder": {"300": {"content": "<|im_start|>"}}})"},
      {"tokenizer.json", R"({"added_tokens": [{"id": 300, "content": "<|im_start|>"}]})"}};
  for (const auto& [name, content] : files) {
    const auto tokenizer = Tokenizer::Load(FolderWith(name, content) + "/tokenizer.model");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    EXPECT_TRUE((*tokenizer)->Encode("the dog <|im_end|>").ok());
    const absl::Status status = (*tokenizer)->Encode("the <|im_start|>dog").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_NE(status.message().find("holds \"<|im_start|>\" at byte 4, an added token"), std::string::npos) << status;
  }
}

TEST(TokenizerTest, TakesAddedTokensThatTheModelKeepsWhole) {
  SentencePieceModel model;
  ASSERT_EQ(model.Load(Train(300)), "");
  const std::vector<int> pieces = model.Encode("the");
  const std::string added = R"({"the": )" + std::to_string(pieces.back()) + "}";
  const auto tokenizer = Tokenizer::Load(FolderWith("added_tokens.json", added) + "/tokenizer.model");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_TRUE((*tokenizer)->Encode("the dog").ok());
}

TEST(TokenizerTest, TakesEosAndTheLackOfBosFromItsConfig) {
  const std::string config = R"({"bos_token": null, "eos_token": {"content": "<|end|>"},
                                 "added_tokens_decoder": {"305": {"content": "<|end|>"}}})";
  const auto tokenizer = Tokenizer::Load(FolderWith("tokenizer_config.json", config) + "/tokenizer.model");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->bos_id(), std::nullopt);
  EXPECT_EQ((*tokenizer)->eos_id(), 305);
}

TEST(TokenizerTest, NamesAFileBesideItThatIsNoJson) {
  const absl::Status status = Tokenizer::Load(FolderWith("added_tokens.json", "{") + "/tokenizer.model").status();
  EXPECT_NE(status.message().find("added_tokens.json is not JSON"), std::string::npos) << status;
}

TEST(TokenizerTest, KnowsATiktokenVocabulary) {
  const std::string path = Write("tiktoken.model", "IQ== 0\nIg== 1\n");
  const absl::Status status = Tokenizer::Load(path).status();
  EXPECT_NE(status.message().find(path + ": is not a SentencePiece model but a tiktoken vocabulary"), std::string::npos)
      << status;
}

TEST(TrainSentencePieceModelTest, TheSameLinesGiveTheSameBytes) { EXPECT_EQ(Train(290), Train(290)); }

TEST(TrainSentencePieceModelTest, SaysWhyAVocabularyCannotBeLearned) {
  std::string model;
  EXPECT_NE(TrainSentencePieceModel({"ab"}, 100000, &model), "");
  EXPECT_NE(TrainSentencePieceModel({"ab"}, 10, &model), "");
}

}  // namespace
}  // namespace greenplan::trainer
