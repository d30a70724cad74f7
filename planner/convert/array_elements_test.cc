#include "planner/convert/array_elements.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace greenplan {
namespace {

TEST(CheckArrayElementsTest, NamesTheNull) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"importance": [null, 1]})", "importance[0]"},
      {R"({"a": 1, "importance": [1, 2 ,null]})", "importance[2]"},
      {R"({"ops": [{"name": "x,[", "inputs": [{"op": 1}]}, {"inputs": [{"op": 2}, null]}]})", "ops[1].inputs[1]"},
      {R"([null])", "[0]"},
  };
  for (const auto& [json, path] : cases) {
    const absl::Status status = CheckArrayElements(json);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << json;
    EXPECT_EQ(std::string(status.message()), std::string(path) + " is null; allowed: a value");
  }
}

TEST(CheckArrayElementsTest, NamesTheArrayInAnArray) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"importance": [[1, 2]]})", "importance[0]"},
      {R"({"importance": [1, [2]]})", "importance[1]"},
      {R"({"tensors": [{"shape": [2]}, {"shape": [2, [ ]]}]})", "tensors[1].shape[1]"},
  };
  for (const auto& [json, path] : cases) {
    const absl::Status status = CheckArrayElements(json);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << json;
    EXPECT_EQ(std::string(status.message()), std::string(path) + " is an array; allowed: a value");
  }
}

TEST(CheckArrayElementsTest, TakesNullsAsValuesOfKeysAndInTexts) {
  for (const char* json : {"", "null", R"({"a": null, "b": [1, "null", "say \"null"], "c\"[": {"d": null}})",
                           R"(["[null", ']null', "\\", {"null": 1}])"}) {
    EXPECT_EQ(CheckArrayElements(json), absl::OkStatus()) << json;
  }
}

}  // namespace
}  // namespace greenplan
