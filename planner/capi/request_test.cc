#include "planner/capi/request.h"

#include "gmock/gmock.h"
#include "greenplan/v1/plan.pb.h"
#include "gtest/gtest.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(RequestTest, ReadsWhatItsKeysHold) {
  const auto request =
      Request::Parse(R"({"options": {"seed": "7"}, "names": ["a"], "x": null})", {"options", "names", "x", "y"});
  ASSERT_TRUE(request.ok()) << request.status();
  v1::PlanOptions options;
  ASSERT_TRUE(request->ReadMessage("options", options).ok());
  EXPECT_EQ(options.seed(), 7);
  EXPECT_THAT(*request->ReadNames("names"), ElementsAre("a"));
  EXPECT_THAT(*request->ReadNames("y"), IsEmpty());
  EXPECT_FALSE(request->Has("x"));
  EXPECT_TRUE(request->ReadJson("x")->is_null());
}

TEST(RequestTest, NamesTheKeyThatIsWrong) {
  EXPECT_EQ(FieldOf(Request::Parse(R"({"b": 1})", {"a"}).status()), "b");
  EXPECT_EQ(FieldOf(Request::Parse(R"({"a": 1, "a": 2})", {"a"}).status()), "a");
  const auto request = Request::Parse(R"({"a": {"sed": 1}, "b": [1], "c": [})", {"a", "b", "c", "d"});
  ASSERT_FALSE(request.ok());

  const auto readable = Request::Parse(R"({"a": {"sed": 1}, "b": [1], "c": tru})", {"a", "b", "c", "d"});
  ASSERT_TRUE(readable.ok()) << readable.status();
  v1::PlanOptions options;
  const absl::Status unknown = readable->ReadMessage("a", options);
  EXPECT_EQ(FieldOf(unknown), "a");
  EXPECT_THAT(unknown.message(), HasSubstr("sed"));
  EXPECT_EQ(FieldOf(readable->ReadNames("b").status()), "b");
  EXPECT_EQ(FieldOf(readable->ReadJson("c").status()), "c");
  EXPECT_EQ(readable->ReadMessage("d", options).message(), "d is missing; required: the JSON of a PlanOptions");
}

}  // namespace
}  // namespace greenplan
