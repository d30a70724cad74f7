#include "planner/files/json_reader.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "planner/files/files.h"

namespace greenplan {
namespace {

using nlohmann::json;

TEST(JsonReaderTest, ReadsValuesOfEachType) {
  const json object = json::parse(R"({"i": -3, "n": 2, "x": 0.5, "none": null, "b": true, "t": "a",
      "numbers": [1, 2.5], "texts": ["a", "b"], "list": [1, "x"], "object": {"k": 1}})");
  JsonReader reader(object, "");
  EXPECT_EQ(reader.Integer("i"), -3);
  EXPECT_EQ(reader.Number("n"), 2);
  EXPECT_EQ(reader.OptionalNumber("x"), 0.5);
  EXPECT_EQ(reader.OptionalNumber("none"), std::nullopt);
  EXPECT_TRUE(reader.Boolean("b"));
  EXPECT_EQ(reader.Text("t"), "a");
  EXPECT_EQ(reader.Text("t", {"b", "a"}), "a");
  EXPECT_EQ(reader.Numbers("numbers"), (std::vector<double>{1, 2.5}));
  EXPECT_EQ(reader.Texts("texts"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(reader.Array("list").size(), 2u);
  EXPECT_EQ(reader.Object("object"), json({{"k", 1}}));
  EXPECT_TRUE(reader.Value("none").is_null());
  EXPECT_TRUE(reader.Has("none"));
  EXPECT_TRUE(reader.IsNull("none"));
  EXPECT_FALSE(reader.Has("other"));
  EXPECT_TRUE(reader.status().ok()) << reader.status();
}

struct Refused {
  std::string object;
  std::function<void(JsonReader&)> read;
  std::string message;
};

TEST(JsonReaderTest, NamesPlaceKeyValueAndWhatIsAllowed) {
  const std::vector<Refused> cases = {
      {R"({"k": "3"})", [](JsonReader& r) { r.Integer("k"); }, "k is \"3\"; allowed: an integer"},
      {R"({"k": 3.0})", [](JsonReader& r) { r.Integer("k"); }, "k is 3.0; allowed: an integer"},
      {R"({"k": 0})", [](JsonReader& r) { r.Integer("k", 1); }, "k is 0; allowed: an integer >= 1"},
      {R"({"k": 9})", [](JsonReader& r) { r.Integer("k", 1, 8); }, "k is 9; allowed: an integer from 1 to 8"},
      {R"({"k": 9223372036854775808})", [](JsonReader& r) { r.Integer("k"); },
       "k is 9223372036854775808; allowed: an integer"},
      {R"({})", [](JsonReader& r) { r.Integer("k"); }, "k is missing; allowed: an integer"},
      {R"([])", [](JsonReader& r) { r.Integer("k"); }, "k is missing; allowed: an integer"},
      {R"({"k": true})", [](JsonReader& r) { r.Number("k"); }, "k is true; allowed: a number"},
      {R"({"k": 2})", [](JsonReader& r) { r.Number("k", 0, 1); }, "k is 2; allowed: a number from 0 to 1"},
      {R"({"k": "x"})", [](JsonReader& r) { r.OptionalNumber("k"); }, "k is \"x\"; allowed: a number or null"},
      {R"({})", [](JsonReader& r) { r.OptionalNumber("k"); }, "k is missing; allowed: a number or null"},
      {R"({"k": 1})", [](JsonReader& r) { r.Boolean("k"); }, "k is 1; allowed: true or false"},
      {R"({"k": null})", [](JsonReader& r) { r.Text("k"); }, "k is null; allowed: text"},
      {R"({"k": "c"})",
       [](JsonReader& r) {
         r.Text("k", {"a", "b"});
       },
       "k is \"c\"; allowed: a, b"},
      {R"({"k": [1, "x"]})", [](JsonReader& r) { r.Numbers("k"); }, "k is [1,\"x\"]; allowed: a list of numbers"},
      {R"({"k": [1, "x"]})", [](JsonReader& r) { r.Texts("k"); }, "k is [1,\"x\"]; allowed: a list of texts"},
      {R"({"k": {}})", [](JsonReader& r) { r.Array("k"); }, "k is {}; allowed: a list"},
      {R"({"k": []})", [](JsonReader& r) { r.Object("k"); }, "k is []; allowed: an object"},
      {R"({})", [](JsonReader& r) { r.Value("k"); }, "k is missing; allowed: any value"},
  };
  for (const Refused& refused : cases) {
    const json object = json::parse(refused.object);
    JsonReader reader(object, "f.json: ");
    refused.read(reader);
    EXPECT_EQ(reader.status().code(), absl::StatusCode::kInvalidArgument) << refused.message;
    EXPECT_EQ(reader.status().message(), "f.json: " + refused.message);
  }
}

TEST(JsonReaderTest, KeepsTheFirstErrorAndAnswersFallbacks) {
  const json object = {{"a", "x"}, {"b", 2}};
  JsonReader reader(object, "");
  EXPECT_EQ(reader.Integer("a", 0, 10, 7), 7);
  EXPECT_EQ(reader.Text("b", {}, "fallback"), "fallback");
  EXPECT_EQ(reader.Integer("b"), 2);
  EXPECT_EQ(reader.status().message(), "a is \"x\"; allowed: an integer from 0 to 10");
}

TEST(JsonReaderTest, ALongValueIsCut) {
  const json object = {{"k", std::string(100000, 'x')}};
  JsonReader reader(object, "");
  reader.Integer("k");
  EXPECT_LT(reader.status().message().size(), 300u);
}

TEST(JsonReaderTest, NamesWhatLiesBelow) {
  const json object = json::object();
  const JsonReader reader(object, "f.json: ");
  EXPECT_EQ(reader.PathOf("epochs", 2), "f.json: epochs[2].");
  EXPECT_EQ(reader.PathOf("totals"), "f.json: totals.");
}

TEST(ReadJsonFileTest, NamesAFileThatIsNoJson) {
  const std::string path = testing::TempDir() + "/value.json";
  ASSERT_TRUE(WriteFile(path, "[1, 2").ok());
  EXPECT_EQ(ReadJsonFile(path).status().code(), absl::StatusCode::kInvalidArgument);
  const std::string message(ReadJsonFile(path).status().message());
  EXPECT_TRUE(message.starts_with(path + " is not JSON at line 1, column ")) << message;
  EXPECT_TRUE(message.ends_with(": unexpected end of input; expected ']'")) << message;
  ASSERT_TRUE(WriteFile(path, "[1, 2]").ok());
  EXPECT_EQ(ReadJsonFile(path)->size(), 2u);
  EXPECT_EQ(ReadJsonObjectFile(path).status().message(), path + " is not a JSON object");
  EXPECT_EQ(ReadJsonFile(path + ".none").status().code(), absl::StatusCode::kNotFound);
}

TEST(ParseJsonTest, SkipsAByteOrderMark) { EXPECT_EQ(*ParseJson("\xef\xbb\xbf[1]"), json::array({1})); }

TEST(ParseJsonTest, SaysWhereATextIsNotJsonAndWhy) {
  const std::pair<std::string, std::string> cases[] = {
      {R"({"a": NaN})", "line 1, column 7: NaN is no JSON value, though Python writes it (json.dumps)"},
      {R"({"a": -Infinity})", "line 1, column 7: -Infinity is no JSON value, though Python writes it (json.dumps)"},
      {"{\n \"a\": 1,\n}", "line 3, column 1: "},
      {R"({"a": "\ud83d"})", "surrogate"},
      {"{\"a\": \"caf\xe9\"}", "ill-formed UTF-8 byte"},
      {"", "line 1, column 1: "},
      {"1e999", "is not JSON: number overflow"},
  };
  for (const auto& [text, message] : cases) {
    const absl::Status status = ParseJson(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_NE(status.message().find("is not JSON"), std::string::npos) << status;
    EXPECT_NE(status.message().find(message), std::string::npos) << status;
  }
}

TEST(JsonTextTest, BytesThatAreNoTextDoNotStopIt) {
  EXPECT_EQ(JsonText({{"k", "a\xff"}}), "{\"k\":\"a\xef\xbf\xbd\"}");
  EXPECT_EQ(IndentedJsonText({{"k", 1}}), "{\n  \"k\": 1\n}");
}

}  // namespace
}  // namespace greenplan
