#include "planner/flags/toml.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::StartsWith;

std::vector<std::string> ValuesOf(const std::string& text) {
  const auto entries = ParseToml(text);
  EXPECT_TRUE(entries.ok()) << text << "\n" << entries.status();
  EXPECT_EQ(entries.ok() ? entries->size() : 0, 1) << text;
  return entries.ok() && !entries->empty() ? entries->front().values : std::vector<std::string>{"?"};
}

using Values = std::vector<std::string>;

TEST(ParseTomlTest, ReadsValuesAsACommandLineHasThem) {
  EXPECT_EQ(ValuesOf("k = \"a b # c\""), (Values{"a b # c"}));
  EXPECT_EQ(ValuesOf("k = 'C:\\new'"), (Values{"C:\\new"}));
  EXPECT_EQ(ValuesOf(R"(k = "say \"x\"\t\\")"), (Values{"say \"x\"\t\\"}));
  EXPECT_EQ(ValuesOf("k=0.5#comment"), (Values{"0.5"}));
  EXPECT_EQ(ValuesOf("  k\t=  -1e-5  \r\n"), (Values{"-1e-05"}));
  EXPECT_EQ(ValuesOf("k = 1_000_000"), (Values{"1000000"}));
  EXPECT_EQ(ValuesOf("k = true"), (Values{"true"}));
  EXPECT_EQ(ValuesOf("k = \"\""), (Values{""}));
  EXPECT_EQ(ValuesOf("\"k\" = 1"), (Values{"1"}));
  EXPECT_EQ(ValuesOf("k = \"\"\"a\nb\"\"\""), (Values{"a\nb"}));
}

TEST(ParseTomlTest, ArraysMaySpanLines) {
  EXPECT_EQ(ValuesOf("k = [\n  \"a\", # one\n  \"b\",\n]\n"), (Values{"a", "b"}));
  EXPECT_EQ(ValuesOf("k = [1,2, 3]"), (Values{"1", "2", "3"}));
  EXPECT_EQ(ValuesOf("k = []"), Values{});
}

TEST(ParseTomlTest, KeepsOrderAndLines) {
  const auto entries = ParseToml("# flags\n\nb-c = 1\na = [\n1,\n2]\n\nz = 3");
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_EQ(entries->size(), 3);
  EXPECT_EQ((*entries)[0].key, "b-c");
  EXPECT_EQ((*entries)[0].line, 3);
  EXPECT_EQ((*entries)[1].line, 4);
  EXPECT_EQ((*entries)[2].line, 8);
  EXPECT_TRUE(ParseToml("")->empty());
  EXPECT_TRUE(ParseToml("# only this")->empty());
}

TEST(ParseTomlTest, SaysWhichTableAKeyIsIn) {
  const auto entries = ParseToml(
      "\xef\xbb\xbf"
      "a = 1\n[plan]\nb = 2\n[what-if]\nb = 3\n");
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_EQ(entries->size(), 3);
  EXPECT_EQ((*entries)[0].table, "");
  EXPECT_EQ((*entries)[1].table, "plan");
  EXPECT_EQ((*entries)[2].table, "what-if");
  EXPECT_EQ((*entries)[2].values, Values{"3"});
  EXPECT_TRUE(ParseToml("[empty]")->empty());
}

TEST(ParseTomlTest, NumbersReadBackTheSame) {
  EXPECT_EQ(ValuesOf("k = 0.1"), (Values{"0.1"}));
  EXPECT_EQ(ValuesOf("k = 0x10"), (Values{"16"}));
  EXPECT_EQ(ValuesOf("k = -9223372036854775808"), (Values{"-9223372036854775808"}));
  EXPECT_EQ(ValuesOf("k = 4.9406564584124654e-324"), (Values{"5e-324"}));
  EXPECT_EQ(ValuesOf("k = 7.0"), (Values{"7.0"})) << "no integer, as in the file";
  EXPECT_EQ(ValuesOf("k = inf"), (Values{"inf"}));
}

TEST(ParseTomlTest, RefusesWhatIsNoFlagNamingTheLine) {
  const std::string no_table =
      " is a table; allowed: long flag names as keys, at the top level or in a table with the name of a command";
  const std::string no_value =
      " has no value of a flag; allowed: \"text\", a number, true, false, or an array of these";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a = 1\n[[tables]]\nb = 2", "line 2: tables" + no_table},
      {"a.b.c = 1", "line 1: b" + no_table},
      {"\na = {b = {c = 1}}", "line 2: b" + no_table},
      {"\n\na = 1979-05-27", "line 3: a" + no_value},
      {"a = [1, [2]]", "line 1: a" + no_value},
  };
  for (const auto& [text, message] : cases) {
    const auto entries = ParseToml(text);
    EXPECT_EQ(entries.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(entries.status().message(), message) << text;
  }
}

TEST(ParseTomlTest, RefusesWhatIsNoTomlNamingTheLine) {
  const std::vector<std::pair<std::string, int>> cases = {
      {"a = 1\na = 2", 2},
      {"budget 0.5", 1},
      {"= 1", 1},
      {"a = ", 1},
      {"a = b", 1},
      {"\na = \"b", 2},
      {"a = \"b\nc\"", 1},
      {"a = \"\\q\"", 1},
      {"a = 1 2", 1},
      {"\n\na = [1", 3},
      {"a = [1 2]", 1},
      {"a = \"\xff\"", 1},
      {"a = 1\n\u00fc = 2", 2},  // A letter where toml++ looks for white space.
      {"a = 9223372036854775808", 1},
      {"a = 1\rb = 2", 1},
  };
  for (const auto& [text, line] : cases) {
    const auto entries = ParseToml(text);
    EXPECT_EQ(entries.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(entries.status().message()), StartsWith(absl::StrCat("line ", line, ": "))) << text;
  }
}

TEST(ParseTomlTest, DeepNestingIsRefusedNotFollowed) {
  const std::string brackets(1000000, '[');
  EXPECT_EQ(ParseToml("a = " + brackets).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseToml(brackets).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace greenplan
