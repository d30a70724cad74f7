#include "planner/flags/toml.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace greenplan {
namespace {

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
  EXPECT_EQ(ValuesOf("  k\t=  -1e-5  \r\n"), (Values{"-1e-5"}));
  EXPECT_EQ(ValuesOf("k = 1_000_000"), (Values{"1000000"}));
  EXPECT_EQ(ValuesOf("k = true"), (Values{"true"}));
  EXPECT_EQ(ValuesOf("k = \"\""), (Values{""}));
  EXPECT_EQ(ValuesOf("\"k\" = 1"), (Values{"1"}));
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

TEST(ParseTomlTest, RefusesNamingTheLine) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a = 1\n[table]", "line 2: is a table; allowed: long flag names as keys, without tables"},
      {"a = 1\na = 2", "line 2: the key a stands twice"},
      {"budget 0.5", "line 1: is not KEY = VALUE"},
      {"a.b = 1", "line 1: is not KEY = VALUE"},
      {"= 1", "line 1: is not KEY = VALUE"},
      {"a = ", "line 1: has no value; allowed: \"text\", a number, true, false, or an array of these"},
      {"a = b", "line 1: has no value; allowed: \"text\", a number, true, false, or an array of these"},
      {"\na = \"b", "line 2: has a string without its closing quote"},
      {"a = \"b\nc\"", "line 1: has a string without its closing quote"},
      {"a = \"\\q\"", "line 1: has an unknown escape; allowed: \\\" \\\\ \\n \\t \\r"},
      {"a = 1 2", "line 1: has more behind its value"},
      {"a = [1", "line 1: is an array without its end"},
      {"a = [1 2]", "line 1: is an array without its end"},
      {"a = [", "line 1: has no value; allowed: \"text\", a number, true, false, or an array of these"},
  };
  for (const auto& [text, message] : cases) {
    const auto entries = ParseToml(text);
    EXPECT_EQ(entries.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(entries.status().message(), message) << text;
  }
}

}  // namespace
}  // namespace greenplan
