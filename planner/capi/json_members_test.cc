#include "planner/capi/json_members.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(JsonMembersTest, SplitsAnObjectIntoItsMembers) {
  EXPECT_THAT(
      *JsonMembers(R"( { "a" : 1 ,"b":[ {"c":"]}"}, [2]] , "d":"x\"}" , "e": null} )"),
      ElementsAre(Pair("a", "1 "), Pair("b", R"([ {"c":"]}"}, [2]] )"), Pair("d", R"("x\"}" )"), Pair("e", "null")));
  EXPECT_THAT(*JsonMembers("{}"), IsEmpty());
}

TEST(JsonMembersTest, RefusesWhatIsNoObject) {
  for (const char* text : {"", "[]", "1", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":[1}", "{\"a\":\"x}",
                           "{a:1}", "{} {}", "{\"a\":1]", "{\"a\":\"\\"}) {
    EXPECT_EQ(JsonMembers(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_FALSE(JsonMembers(absl::string_view("{}\0", 3)).ok());
}

// The scanner keeps a depth, not a stack: no nesting is too deep for it.
TEST(JsonMembersTest, PassesOverAnyNesting) {
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  const std::string text = "{\"a\":" + deep + "}";
  const auto members = JsonMembers(text);
  ASSERT_TRUE(members.ok()) << members.status();
  ASSERT_EQ(members->size(), 1);
  EXPECT_TRUE(members->front().second == deep);
}

}  // namespace
}  // namespace greenplan
