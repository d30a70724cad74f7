#include "trainer_client/data/jsonl.h"

#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

using Ids = std::vector<int64_t>;

const JsonlEncoding kEncoding = {.special = {.bos = 1, .eos = 2}};

TEST(JsonlTest, ARowKnowsItsPlaceAndWhereItsTargetBegins) {
  const auto lines = ParseJsonl("\n{\"source_ids\": [5], \"target_ids\": [6, 7]}\n", kEncoding);
  ASSERT_TRUE(lines.ok()) << lines.status();
  ASSERT_EQ(lines->size(), 1U);
  EXPECT_EQ(lines->front().ids, (Ids{1, 5, 6, 7, 2}));
  EXPECT_EQ(lines->front().first_predicted, 2);
  EXPECT_EQ(lines->front().place, "2");
  const auto elements = ParseJsonArray("[{\"source_ids\": [], \"target_ids\": []}]", kEncoding);
  ASSERT_TRUE(elements.ok()) << elements.status();
  EXPECT_EQ(elements->front().ids, (Ids{1, 2}));
  EXPECT_EQ(elements->front().place, "[0]");
}

TEST(JsonlTest, RefusesAnArrayThatIsNone) {
  for (const char* text : {"{\"source_ids\": [5], \"target_ids\": [6]}", "3", "\"a\"", "null"}) {
    const absl::Status status = ParseJsonArray(text, kEncoding).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(status.message(), " is not an array of rows");
  }
}

TEST(JsonlTest, ARowIsKnownByItsKeys) {
  EXPECT_TRUE(HoldsRow("\n {\"target\": 1}\nmore"));
  EXPECT_TRUE(HoldsRow("[{\"source_ids\": 1}]"));
  for (const char* text : {"", "text", "{\"other\": 1}", "[]", "[1]", "{"}) EXPECT_FALSE(HoldsRow(text)) << text;
}

}  // namespace
}  // namespace greenplan::trainer
