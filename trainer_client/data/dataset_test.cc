#include "trainer_client/data/dataset.h"

#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "trainer_client/data/sentencepiece_model.h"

namespace greenplan::trainer {
namespace {

using Ids = std::vector<int64_t>;
constexpr int64_t kNo = kIgnoredLabel;
const SpecialTokens kSpecial{.bos = 1, .eos = 2};

std::string Write(const std::string& name, const std::string& content) {
  const std::string path = testing::TempDir() + "/" + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

std::string WriteNpy(const std::string& name, const std::vector<uint16_t>& ids) {
  const std::string header =
      "{'descr': '<u2', 'fortran_order': False, 'shape': (" + std::to_string(ids.size()) + ",), }";
  std::string file("\x93NUMPY\x01\0", 8);
  file += static_cast<char>(header.size());
  file += '\0';
  return Write(name, file + header + std::string(reinterpret_cast<const char*>(ids.data()), ids.size() * 2));
}

std::unique_ptr<Tokenizer> MakeTokenizer() {
  std::string model;
  EXPECT_EQ(TrainSentencePieceModel({"in the beginning god created the heaven and the earth"}, 280, &model), "");
  auto tokenizer = Tokenizer::Load(Write("tokenizer.model", model));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

TEST(ReadDatasetTest, CutsTokenIdsIntoWindowsAndDropsAShorterLastOne) {
  const auto data = ReadDataset(WriteNpy("ids.npy", {5, 6, 7, 8, 9, 10, 11, 12}), nullptr, 3, 16, 20);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->num_rows(), 2);
  EXPECT_EQ(data->input_ids, (Ids{5, 6, 7, 8, 9, 10}));
  EXPECT_EQ(data->labels, (Ids{kNo, 6, 7, kNo, 9, 10}));
}

TEST(ReadDatasetTest, WindowsAreAsLongAsTheModelAllowsUnlessToldOtherwise) {
  EXPECT_EQ(ReadDataset(WriteNpy("max.npy", {1, 2, 3, 4, 5}), nullptr, 0, 4, 20)->seq_len, 4);
}

TEST(ReadDatasetTest, TextBeginsWithBosOnceAndIsEncodedAsAWhole) {
  const auto tokenizer = MakeTokenizer();
  const std::string text = "in the beginning\ngod created the heaven\n";
  const auto data = ReadDataset(Write("text.txt", text), tokenizer.get(), 4, 16, 280);
  ASSERT_TRUE(data.ok()) << data.status();
  Ids expected = tokenizer->Encode(text);
  expected.insert(expected.begin(), 1);
  expected.resize(expected.size() / 4 * 4);
  EXPECT_EQ(data->input_ids, expected);
}

TEST(ReadDatasetTest, JsonlIdsArePutBetweenBosAndEosAndPaddedOnTheRight) {
  const std::string path = Write("ids.jsonl", R"({"source_ids": [5, 6], "target_ids": [7], "id": "a"})"
                                              "\n\n"
                                              R"({"source_ids": [], "target_ids": [8, 9]})");
  const auto data = ReadDataset(path, nullptr, 6, 16, 20, kSpecial);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->input_ids, (Ids{1, 5, 6, 7, 2, 0, 1, 8, 9, 2, 0, 0}));
  EXPECT_EQ(data->labels, (Ids{kNo, kNo, kNo, 7, 2, kNo, kNo, 8, 9, 2, kNo, kNo}));
}

TEST(ReadDatasetTest, LongerJsonlRowsAreCut) {
  const std::string path = Write("long.jsonl", R"({"source_ids": [5, 6], "target_ids": [7, 8, 9]})"
                                               "\n"
                                               R"({"source_ids": [5, 6, 7, 8], "target_ids": [9]})");
  const auto data = ReadDataset(path, nullptr, 4, 16, 20, kSpecial);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->input_ids, (Ids{1, 5, 6, 7, 1, 5, 6, 7}));
  EXPECT_EQ(data->labels, (Ids{kNo, kNo, kNo, 7, kNo, kNo, kNo, kNo}));
}

TEST(ReadDatasetTest, JsonlRowsAreAsLongAsTheLongestOfThemUnlessToldOtherwise) {
  const std::string path = Write("longest.jsonl", R"({"source_ids": [5, 6], "target_ids": [7]})"
                                                  "\n"
                                                  R"({"source_ids": [5], "target_ids": [7]})");
  EXPECT_EQ(ReadDataset(path, nullptr, 0, 16, 20, kSpecial)->seq_len, 5);
  EXPECT_EQ(ReadDataset(path, nullptr, 0, 4, 20, kSpecial)->seq_len, 4);
}

TEST(ReadDatasetTest, JsonlStringsAreEncodedApart) {
  const auto tokenizer = MakeTokenizer();
  const auto data = ReadDataset(Write("strings.jsonl", R"({"source": "the heaven", "target": "and"})"), tokenizer.get(),
                                0, 64, 280, SpecialTokens{});
  ASSERT_TRUE(data.ok()) << data.status();
  const Ids source = tokenizer->Encode("the heaven"), target = tokenizer->Encode("and");
  Ids expected = {1};
  expected.insert(expected.end(), source.begin(), source.end());
  expected.insert(expected.end(), target.begin(), target.end());
  expected.push_back(2);
  EXPECT_EQ(data->input_ids, expected);
  EXPECT_EQ(data->labels[source.size()], kNo);
  EXPECT_EQ(data->labels[source.size() + 1], target[0]);
}

void ExpectInvalid(const absl::StatusOr<Dataset>& data, const std::string& message) {
  EXPECT_EQ(data.status().code(), absl::StatusCode::kInvalidArgument) << data.status();
  EXPECT_EQ(std::string(data.status().message()), message);
}

TEST(ReadDatasetTest, NamesAFileThatIsMissingEmptyOrTooShort) {
  const absl::Status missing = ReadDataset("/no/such.txt", nullptr, 4, 16, 20).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(missing.message(), "/no/such.txt cannot be read: No such file or directory");
  const auto tokenizer = MakeTokenizer();
  std::string path = Write("empty.txt", "");
  ExpectInvalid(ReadDataset(path, tokenizer.get(), 4, 16, 280), path + ": is empty; text is needed");
  path = Write("empty.jsonl", "\n");
  ExpectInvalid(ReadDataset(path, tokenizer.get(), 4, 16, 280), path + ": is empty; at least one row is needed");
  path = WriteNpy("short.npy", {1, 2, 3});
  ExpectInvalid(ReadDataset(path, nullptr, 4, 16, 20), path + ": holds 3 tokens; one window takes 4");
  ExpectInvalid(ReadDataset(testing::TempDir(), nullptr, 4, 16, 20),
                testing::TempDir() + " cannot be read: Is a directory");
}

TEST(ReadDatasetTest, NamesAnIdOutsideTheVocabularyAndItsPlace) {
  std::string path = WriteNpy("outside.npy", {1, 20, 3});
  ExpectInvalid(ReadDataset(path, nullptr, 2, 16, 20),
                path + ": token 1 is 20; allowed: 0 to 19, the model's vocabulary");
  path = Write("outside.jsonl",
               "\n"
               R"({"source_ids": [5, -1], "target_ids": [7]})");
  ExpectInvalid(ReadDataset(path, nullptr, 4, 16, 20, kSpecial),
                path + ":2: a token is -1; allowed: 0 to 19, the model's vocabulary");
}

TEST(ReadDatasetTest, NamesTheJsonlLineThatIsBroken) {
  const auto tokenizer = MakeTokenizer();
  const std::string good = R"({"source": "a", "target": "b"})"
                           "\n";
  const auto read = [&](const std::string& line, const Tokenizer* with, const SpecialTokens& special) {
    return ReadDataset(Write("broken.jsonl", good + line), with, 4, 16, 280, special);
  };
  const std::string place = testing::TempDir() + "/broken.jsonl:2: ";
  ExpectInvalid(read("{", tokenizer.get(), kSpecial), place + "is not a JSON object");
  ExpectInvalid(read("[1]", tokenizer.get(), kSpecial), place + "is not a JSON object");
  ExpectInvalid(read("{}", tokenizer.get(), kSpecial),
                place + "must hold either source and target, or source_ids and target_ids");
  ExpectInvalid(read(R"({"source": "a"})", tokenizer.get(), kSpecial), place + "target is missing or not a string");
  ExpectInvalid(read(R"({"source_ids": [1.5], "target_ids": []})", tokenizer.get(), kSpecial),
                place + "source_ids is missing or not a list of integers");
  ExpectInvalid(read(R"({"source_ids": [1], "target_ids": [18446744073709551615]})", tokenizer.get(), kSpecial),
                place + "target_ids is missing or not a list of integers");
  ExpectInvalid(read(R"({"source_ids": [1], "target_ids": [2]})", tokenizer.get(), {.bos = 1, .eos = {}}),
                place + "source_ids and target_ids need an eos_token_id, which the model's config does not give");
}

TEST(ReadDatasetTest, AsksForATokenizerOnlyWhereOneIsNeeded) {
  std::string path = Write("text.txt", "text");
  ExpectInvalid(ReadDataset(path, nullptr, 4, 16, 20), path + ": text needs a tokenizer, and none is given");
  path = Write("strings.jsonl", R"({"source": "a", "target": "b"})");
  ExpectInvalid(ReadDataset(path, nullptr, 4, 16, 20, kSpecial),
                path + ":1: source and target need a tokenizer, and none is given; source_ids and target_ids do not");
}

TEST(ReadDatasetTest, RefusesASeqLenThatTheModelDoesNotTake) {
  const std::string path = WriteNpy("seq_len.npy", {1, 2, 3});
  for (const int64_t seq_len : {-1, 1, 17}) {
    ExpectInvalid(ReadDataset(path, nullptr, seq_len, 16, 20),
                  "seq_len is " + std::to_string(seq_len) + "; allowed: 2 to 16, max_position_embeddings");
  }
}

}  // namespace
}  // namespace greenplan::trainer
