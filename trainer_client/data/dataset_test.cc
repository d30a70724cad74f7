#include "trainer_client/data/dataset.h"

#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "trainer_client/data/sentencepiece_model.h"

namespace greenplan::trainer {
namespace {

using Ids = std::vector<int64_t>;
constexpr int64_t kNo = kIgnoredLabel;
const SpecialTokens kSpecial{.bos = 1, .eos = 2};

// Reads with a model of 280 tokens and at most 16 positions.
absl::StatusOr<Dataset> Read(const std::string& path, int64_t seq_len, const JsonlEncoding& encoding = {},
                             int64_t vocab_size = 280, int64_t max_seq_len = 16) {
  return ReadDataset(path,
                     {.encoding = encoding, .seq_len = seq_len, .max_seq_len = max_seq_len, .vocab_size = vocab_size});
}

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
  const auto data = Read(WriteNpy("ids.npy", {5, 6, 7, 8, 9, 10, 11, 12}), 3);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->num_rows(), 2);
  EXPECT_EQ(data->input_ids, (Ids{5, 6, 7, 8, 9, 10}));
  EXPECT_EQ(data->labels, (Ids{kNo, 6, 7, kNo, 9, 10}));
}

TEST(ReadDatasetTest, WindowsAreAsLongAsTheModelAllowsUnlessToldOtherwise) {
  EXPECT_EQ(Read(WriteNpy("max.npy", {1, 2, 3, 4, 5}), 0, {}, 20, /*max_seq_len=*/4)->seq_len, 4);
}

TEST(ReadDatasetTest, TextBeginsWithBosOnceAndIsEncodedAsAWhole) {
  const auto tokenizer = MakeTokenizer();
  const std::string text = "in the beginning\ngod created the heaven\n";
  const auto data = Read(Write("text.txt", text), 4, {.tokenizer = tokenizer.get()});
  ASSERT_TRUE(data.ok()) << data.status();
  Ids expected = *tokenizer->Encode(text);
  expected.insert(expected.begin(), 1);
  expected.resize(expected.size() / 4 * 4);
  EXPECT_EQ(data->input_ids, expected);
}

TEST(ReadDatasetTest, JsonlIdsArePutBetweenBosAndEosAndPaddedOnTheRight) {
  const std::string path = Write("ids.jsonl", R"({"source_ids": [5, 6], "target_ids": [7], "id": "a"})"
                                              "\n\n"
                                              R"({"source_ids": [], "target_ids": [8, 9]})");
  const auto data = Read(path, 6, {.special = kSpecial});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->input_ids, (Ids{1, 5, 6, 7, 2, 0, 1, 8, 9, 2, 0, 0}));
  EXPECT_EQ(data->labels, (Ids{kNo, kNo, kNo, 7, 2, kNo, kNo, 8, 9, 2, kNo, kNo}));
}

TEST(ReadDatasetTest, LongerJsonlRowsAreCut) {
  const std::string path = Write("long.jsonl", R"({"source_ids": [5, 6], "target_ids": [7, 8, 9]})"
                                               "\n"
                                               R"({"source_ids": [5, 6, 7, 8], "target_ids": [9]})");
  const auto data = Read(path, 4, {.special = kSpecial}, 20);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->input_ids, (Ids{1, 5, 6, 7, 1, 5, 6, 7}));
  EXPECT_EQ(data->labels, (Ids{kNo, kNo, kNo, 7, kNo, kNo, kNo, kNo}));
}

TEST(ReadDatasetTest, JsonlRowsAreAsLongAsTheLongestOfThemUnlessToldOtherwise) {
  const std::string path = Write("longest.jsonl", R"({"source_ids": [5, 6], "target_ids": [7]})"
                                                  "\n"
                                                  R"({"source_ids": [5], "target_ids": [7]})");
  EXPECT_EQ(Read(path, 0, {.special = kSpecial})->seq_len, 5);
  EXPECT_EQ(Read(path, 0, {.special = kSpecial}, 20, /*max_seq_len=*/4)->seq_len, 4);
}

TEST(ReadDatasetTest, JsonlStringsAreEncodedApart) {
  const auto tokenizer = MakeTokenizer();
  const auto data = Read(Write("strings.jsonl", R"({"source": "the heaven", "target": "and"})"), 0,
                         {.tokenizer = tokenizer.get()}, 280, /*max_seq_len=*/64);
  ASSERT_TRUE(data.ok()) << data.status();
  const Ids source = *tokenizer->Encode("the heaven"), target = *tokenizer->Encode("and");
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
  const absl::Status missing = Read("/no/such.txt", 4).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(missing.message(), "/no/such.txt cannot be read: No such file or directory");
  const auto tokenizer = MakeTokenizer();
  std::string path = Write("empty.txt", "");
  ExpectInvalid(Read(path, 4, {.tokenizer = tokenizer.get()}), path + ": is empty; text is needed");
  path = Write("empty.jsonl", "\n");
  ExpectInvalid(Read(path, 4, {.tokenizer = tokenizer.get()}), path + ": is empty; at least one row is needed");
  path = WriteNpy("short.npy", {1, 2, 3});
  ExpectInvalid(Read(path, 4), path + ": holds 3 tokens; one window takes 4");
  ExpectInvalid(Read(testing::TempDir(), 4), testing::TempDir() + " cannot be read: Is a directory");
}

TEST(ReadDatasetTest, NamesAnIdOutsideTheVocabularyAndItsPlace) {
  std::string path = WriteNpy("outside.npy", {1, 20, 3});
  ExpectInvalid(Read(path, 2, {}, 20), path + ": token 1 is 20; allowed: 0 to 19, the model's vocabulary");
  path = Write("outside.jsonl",
               "\n"
               R"({"source_ids": [5, -1], "target_ids": [7]})");
  ExpectInvalid(Read(path, 4, {.special = kSpecial}, 20),
                path + ":2: a token is -1; allowed: 0 to 19, the model's vocabulary");
}

TEST(ReadDatasetTest, NamesTheJsonlLineThatIsBroken) {
  const auto tokenizer = MakeTokenizer();
  const std::string good = R"({"source": "a", "target": "b"})"
                           "\n";
  const auto read = [&](const std::string& line, const Tokenizer* with, const SpecialTokens& special) {
    return Read(Write("broken.jsonl", good + line), 4, {.tokenizer = with, .special = special});
  };
  const std::string place = testing::TempDir() + "/broken.jsonl:2: ";
  ExpectInvalid(read(R"({"source": "a", "target": NaN})", tokenizer.get(), kSpecial),
                place + "is not JSON at line 1, column 27: NaN is no JSON value, though Python writes it (json.dumps)");
  ExpectInvalid(read("[1]", tokenizer.get(), kSpecial), place + "is not a JSON object");
  ExpectInvalid(read("{}", tokenizer.get(), kSpecial),
                place + "must hold either source and target, or source_ids and target_ids");
  ExpectInvalid(read(R"({"source": "a"})", tokenizer.get(), kSpecial), place + "target is missing or not a string");
  ExpectInvalid(read(R"({"source_ids": [1.5], "target_ids": []})", tokenizer.get(), kSpecial),
                place + "source_ids is missing or not a list of integers");
  ExpectInvalid(read(R"({"source_ids": [1], "target_ids": [18446744073709551615]})", tokenizer.get(), kSpecial),
                place + "target_ids is missing or not a list of integers");
  ExpectInvalid(read(R"({"source_ids": [1], "target_ids": [2]})", tokenizer.get(), {.bos = 1, .eos = {}}),
                place + "source_ids and target_ids need an eos_token_id, which the model's config.json does not give");
}

TEST(ReadDatasetTest, RowsOfAModelWithoutBosBeginWithTheSource) {
  const std::string path = Write("no_bos.jsonl", R"({"source_ids": [5, 6], "target_ids": [7]})"
                                                 "\n"
                                                 R"({"source_ids": [], "target_ids": [8, 9]})");
  const auto data = Read(path, 4, {.special = {.eos = 2}});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->input_ids, (Ids{5, 6, 7, 2, 8, 9, 2, 0}));
  EXPECT_EQ(data->labels, (Ids{kNo, kNo, 7, 2, kNo, 9, 2, kNo})) << "nothing comes before 8 that could predict it";
}

TEST(ReadDatasetTest, RowsAreReadFromOneArrayToo) {
  const std::string rows = R"([{"source_ids": [5], "target_ids": [6]},
                               {"source_ids": [7], "target_ids": [8]}])";
  for (const char* name : {"rows.json", "rows.jsonl", "rows.txt"}) {
    const auto data = Read(Write(name, rows), 0, {.special = kSpecial});
    ASSERT_TRUE(data.ok()) << data.status();
    EXPECT_EQ(data->input_ids, (Ids{1, 5, 6, 2, 1, 7, 8, 2})) << name;
    EXPECT_EQ(data->remark, "is read as an array of rows, not as text");
  }
  const std::string path = Write("bad.json", R"([{"source_ids": [5], "target_ids": [6]}, {"source_ids": 7}])");
  ExpectInvalid(Read(path, 4, {.special = kSpecial}), path + ":[1]: source_ids is missing or not a list of integers");
}

TEST(ReadDatasetTest, RowsAreKnownByTheirNameOrContent) {
  const std::string row = R"({"source_ids": [5], "target_ids": [6]})";
  for (const char* name : {"row.ndjson", "ROW.JSONL", "row.json", "row.txt", "row"}) {
    const auto data = Read(Write(name, "\n" + row + "\n"), 0, {.special = kSpecial});
    ASSERT_TRUE(data.ok()) << name << data.status();
    EXPECT_EQ(data->input_ids, (Ids{1, 5, 6, 2})) << name;
    const bool is_plain = std::string(name) == "row.ndjson" || std::string(name) == "ROW.JSONL";
    EXPECT_EQ(data->remark, is_plain ? "" : "is read as rows, one a line, not as text");
  }
  const std::string npy = WriteNpy("ids.npy", {5, 6, 7, 8});
  std::ifstream file(npy, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(Read(Write("ids.bin", bytes), 4)->input_ids, (Ids{5, 6, 7, 8}));
}

TEST(ReadDatasetTest, RefusesJsonAndTablesThatHoldNoRows) {
  const auto tokenizer = MakeTokenizer();
  for (const char* content : {R"({"data": [1, 2]})", "{\n \"version\": 1\n}", "a text after all"}) {
    const std::string path = Write("other.json", content);
    EXPECT_NE(Read(path, 4, {.tokenizer = tokenizer.get()}).status().message().find("holds no rows {source, target}"),
              std::string::npos)
        << content;
  }
  const std::string path = Write("table.csv", "source,target\n1,2\n");
  EXPECT_NE(Read(path, 4, {.tokenizer = tokenizer.get()}).status().message().find(path + ": is a table"),
            std::string::npos);
}

TEST(ReadDatasetTest, SkipsAByteOrderMark) {
  const auto tokenizer = MakeTokenizer();
  const JsonlEncoding encoding = {.tokenizer = tokenizer.get()};
  const std::string mark = "\xef\xbb\xbf", text = "in the beginning god created",
                    row = R"({"source": "a", "target": "b"})";
  for (const auto& [ending, content] : {std::pair{".txt", text}, {".jsonl", row}, {".json", "[" + row + "]"}}) {
    const auto with = Read(Write(std::string("mark") + ending, mark + content), 4, encoding);
    const auto without = Read(Write(std::string("plain") + ending, content), 4, encoding);
    ASSERT_TRUE(with.ok() && without.ok()) << with.status() << without.status();
    EXPECT_EQ(with->input_ids, without->input_ids) << ending;
  }
}

TEST(ReadDatasetTest, RefusesANpyFileThatIsNone) {
  std::string path = Write("packed.npy", "\x1f\x8b\x08");
  EXPECT_NE(Read(path, 4).status().message().find(path + ": is compressed by gzip"), std::string::npos);
  path = Write("text.npy", "1 2 3");
  ExpectInvalid(Read(path, 4), path + ": is text, not a .npy file; name it .txt or .jsonl for what it is");
  path = Write("empty.npy", "");
  ExpectInvalid(Read(path, 4), path + ": is empty, not a .npy file");
  for (const char* bytes : {"\x01\x02\xf9\xe8", "NUMPY\xff"}) {
    path = Write("random.npy", bytes);
    ExpectInvalid(Read(path, 4), path + ": is not a .npy file, which begins with the byte 0x93 and NUMPY");
  }
}

TEST(ReadDatasetTest, RefusesWhatIsNoUtf8NamingTheByte) {
  for (const char* name : {"latin.txt", "latin.jsonl", "latin.json"}) {
    const std::string path = Write(name, "caf\xe9");
    const absl::Status status = Read(path, 4).status();
    EXPECT_NE(status.message().find(path + ": is not UTF-8: byte 3 is 0xE9"), std::string::npos) << status;
  }
}

TEST(ReadDatasetTest, AsksForATokenizerOnlyWhereOneIsNeeded) {
  std::string path = Write("text.txt", "text");
  ExpectInvalid(Read(path, 4), path + ": text needs a tokenizer, and none is given");
  path = Write("strings.jsonl", R"({"source": "a", "target": "b"})");
  ExpectInvalid(Read(path, 4, {.special = kSpecial}, 20),
                path + ":1: source and target need a tokenizer, and none is given; source_ids and target_ids do not");
}

TEST(ReadDatasetTest, RefusesASeqLenThatTheModelDoesNotTake) {
  const std::string path = WriteNpy("seq_len.npy", {1, 2, 3});
  for (const int64_t seq_len : {-1, 1, 17}) {
    ExpectInvalid(Read(path, seq_len),
                  "seq_len is " + std::to_string(seq_len) + "; allowed: 2 to 16, max_position_embeddings");
  }
}

}  // namespace
}  // namespace greenplan::trainer
