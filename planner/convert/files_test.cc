#include "planner/convert/files.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "planner/convert/gzip.h"
#include "planner/convert/test_messages.h"
#include "planner/files/testing/faults.h"

namespace greenplan {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// An empty folder of the running test's own.
std::string Folder() {
  const std::string folder =
      std::string(testing::TempDir()) + "/" + testing::UnitTest::GetInstance()->current_test_info()->name();
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

std::string Write(const std::string& name, const std::string& content) {
  const std::string path = Folder() + "/" + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

absl::Status ReadError(const std::string& path) { return ReadMessageFile<v1::ModelProfile>(path).status(); }

TEST(FilesTest, EveryFormatReadsBackWhatWasWritten) {
  const std::string folder = Folder();
  for (const std::string name : {"/p.json", "/p.pb", "/p.json.gz", "/p.pb.gz"}) {
    ASSERT_TRUE(WriteMessageFile(folder + name, SmallProfile()).ok()) << name;
    const auto read = ReadMessageFile<v1::ModelProfile>(folder + name);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(MessageDifferencer::Equals(*read, SmallProfile())) << name;
  }
}

TEST(FilesTest, ReadsInt64AsNumberOrString) {
  const auto number = ReadMessageFile<v1::ModelProfile>(Write("n.json", R"({"forward_cost": 9007199254740993})"));
  ASSERT_TRUE(number.ok()) << number.status();
  EXPECT_EQ(number->forward_cost(), 9007199254740993);
  const auto text = ReadMessageFile<v1::ModelProfile>(Write("s.json", R"({"forward_cost": "9007199254740993"})"));
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->forward_cost(), 9007199254740993);
}

TEST(FilesTest, WritesOriginalFieldNames) {
  EXPECT_THAT(MessageToJson(SmallProfile()), HasSubstr(R"("weight_grad_cost":"20")"));
}

TEST(FilesTest, RefusesUnknownFieldsNamingTheFile) {
  const std::string path = Write("p.json", R"({"forward_costs": 1})");
  const absl::Status status = ReadError(path);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), StartsWith(path + " is not the JSON of a ModelProfile: "));
  EXPECT_THAT(std::string(status.message()), HasSubstr("forward_costs"));
}

TEST(FilesTest, WhatIsQuotedOfAFileIsCutToAReadableLength) {
  const absl::Status status = ReadError(Write("p.json", absl::StrCat("{\"", std::string(100000, 'a'), "\": 1}")));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_LT(status.message().size(), 1000u);
  EXPECT_THAT(std::string(status.message()), EndsWith("aaa..."));
}

TEST(FilesTest, AValueThatIsNoMessageIsNamedAsOne) {
  const std::string path = Write("p.json", "[1, 2]");
  EXPECT_EQ(ReadError(path).message(), path + " is not the JSON of a ModelProfile: Root element must be a message.");
}

TEST(FilesTest, ABrokenFileIsOneLineNamingIt) {
  for (const std::string content : {"", "{", "[1, 2]", "{\"tensors\": [\n{\"name\": 5x}\n]}"}) {
    const absl::Status status = ReadError(Write("p.json", content));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << content;
    EXPECT_THAT(std::string(status.message()), HasSubstr("p.json"));
    EXPECT_EQ(status.message().find('\n'), absl::string_view::npos) << status.message();
  }
  EXPECT_THAT(std::string(ReadError(Write("p.pb", "\x0a\xff")).message()),
              EndsWith("p.pb is not the binary form of a ModelProfile"));
}

TEST(FilesTest, RefusesDamagedGzip) {
  EXPECT_THAT(std::string(ReadError(Write("p.json.gz", "{}")).message()), HasSubstr("is not gzip, or damaged"));
  const std::string whole = Gzip(MessageToJson(SmallProfile()));
  EXPECT_THAT(std::string(ReadError(Write("p.json.gz", whole.substr(0, whole.size() / 2))).message()),
              HasSubstr("is truncated gzip"));
  std::string flipped = whole;
  flipped[flipped.size() / 2] ^= 0x40;
  EXPECT_EQ(ReadError(Write("p.json.gz", flipped)).code(), absl::StatusCode::kInvalidArgument);
}

TEST(FilesTest, ReadsGzipOfSeveralMembers) {
  const auto read = ReadMessageFile<v1::ModelProfile>(Write("p.json.gz", Gzip("{\"model\":") + Gzip("\"m\"}")));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->model(), "m");
}

// 4 million ops of two bytes each, which would take half a gigabyte.
TEST(FilesTest, RefusesMoreMessagesThanAnyValidProfileHas) {
  constexpr int kNumOps = 1 << 22;
  std::string binary, json = "{\"ops\":[";
  for (int i = 0; i < kNumOps + 1; ++i) binary += std::string("\x22\x00", 2);
  for (int i = 0; i < kNumOps; ++i) json += i == 0 ? "{}" : ",{}";
  json += "]}";
  for (const auto& [name, content] : {std::pair<std::string, std::string>{"p.pb.gz", Gzip(binary)}, {"p.json", json}}) {
    const absl::Status status = ReadError(Write(name, content));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(status.message()),
                EndsWith(name + " holds 4194305 messages within one; allowed: at most 4194304"));
  }
}

TEST(FilesTest, RefusesAFileThatHoldsMoreThanAnyValidProfileDoes) {
  const std::string mebibyte = Gzip(std::string(1 << 20, ' '));
  std::string bomb;
  for (int i = 0; i < 513; ++i) bomb += mebibyte;
  EXPECT_THAT(std::string(ReadError(Write("p.json.gz", bomb)).message()),
              EndsWith("p.json.gz holds more than 536870912 bytes"));
}

TEST(FilesTest, SaysWhyAFileCannotBeRead) {
  EXPECT_EQ(ReadError("/no/such.json").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadError("/no/such.json").message(), "/no/such.json cannot be read: No such file or directory");
  const std::string folder = Folder() + "/folder.json";
  std::filesystem::create_directory(folder);
  EXPECT_EQ(ReadError(folder).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadError("profile.yaml").message(),
            "profile.yaml has no known extension; allowed: .json, .pb, each also .gz");
}

TEST(FilesTest, WhateverCallFailsTheOldMessageStands) {
  const std::string folder = Folder();
  v1::ModelProfile other = SmallProfile();
  other.set_model("other");
  for (const std::string name : {"/p.json", "/p.pb.gz"}) {
    const std::string path = folder + name;
    ASSERT_TRUE(WriteMessageFile(path, SmallProfile()).ok());
    const int num_errors = SweepFaults({
        .operation = [&] { return WriteMessageFile(path, other); },
        .check =
            [&](const absl::Status& status) {
              const bool is_new = status.ok() || absl::IsDataLoss(status);
              const auto read = ReadMessageFile<v1::ModelProfile>(path);
              ASSERT_TRUE(read.ok()) << read.status();
              EXPECT_TRUE(MessageDifferencer::Equals(*read, is_new ? other : SmallProfile())) << status;
              const ScopedFaults quick({});
              ASSERT_TRUE(WriteMessageFile(path, SmallProfile()).ok());
            },
        .named = path + " ",
    });
    EXPECT_GT(num_errors, 0);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
    std::filesystem::remove(path);
  }
}

TEST(MessageFromJsonTest, SkipsAByteOrderMark) {
  v1::ImportanceReport report;
  EXPECT_EQ(MessageFromJson("\xef\xbb\xbf{\"importance\": [1, 2]}", report), absl::OkStatus());
  EXPECT_EQ(report.importance_size(), 2);
}

TEST(MessageFromJsonTest, SaysWhereATextIsNotJson) {
  v1::ImportanceReport report;
  EXPECT_EQ(MessageFromJson("{\"importance\": [NaN]}", report).message(),
            "is not the JSON of a ImportanceReport: it is not JSON at line 1, column 17: NaN is no JSON value, though "
            "Python writes it (json.dumps)");
}

TEST(MessageFromJsonTest, RefusesMoreValuesThanAnyValidProfileHas) {
  v1::ImportanceReport report;
  const absl::Status status = MessageFromJson("{\"importance\": [" + std::string(12'000'001, ',') + "]}", report);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "holds 12000001 commas between values; allowed: at most 12000000");
}

TEST(MessageFromJsonTest, DoesNotReadALongTextTwiceToSayWhatIsWrongWithIt) {
  v1::ImportanceReport report;
  const std::string text = "{\"importance\": [" + std::string(20'000'000, ' ') + "x]}";
  const absl::Status status = MessageFromJson(text, report);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), StartsWith("is not the JSON of a ImportanceReport: "));
  EXPECT_LT(status.message().size(), 1000u);
}

TEST(MessageFromJsonTest, RefusesANullInAListInsteadOfLeavingItOut) {
  v1::ImportanceReport report;
  const absl::Status status = MessageFromJson("{\"importance\": [1, null, 2]}", report);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "importance[1] is null; allowed: a value");
}

}  // namespace
}  // namespace greenplan
