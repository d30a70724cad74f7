#include "planner/cli/output.h"

#include "gtest/gtest.h"

namespace greenplan {
namespace {

TEST(TextTableTest, AlignsColumns) {
  TextTable table({"name", "cost"});
  table.AddRow({"a", "5"});
  table.AddRow({"longer name", "12345"});
  EXPECT_EQ(table.ToString(),
            "name          cost\n"
            "a                5\n"
            "longer name  12345\n");
}

TEST(CsvTest, QuotesWhatNeedsIt) {
  EXPECT_EQ(CsvLine({"a", "b,c", "say \"x\"", "two\nlines"}), "a,\"b,c\",\"say \"\"x\"\"\",\"two\nlines\"\n");
}

TEST(CsvTest, KeysAreTheHeader) {
  const nlohmann::ordered_json row = {
      {"text", "x"}, {"number", 0.1}, {"list", {"a", "b"}}, {"object", {{"k", 0.5}, {"l", 1}}}, {"none", nullptr}};
  EXPECT_EQ(CsvOf({row, row}), "text,number,list,object,none\nx,0.1,a;b,k=0.5;l=1,\nx,0.1,a;b,k=0.5;l=1,\n");
}

TEST(JsonLineTest, BytesThatAreNoTextDoNotStopIt) {
  EXPECT_EQ(JsonLine({{"output", "a\xff.json"}, {"ops", 3}}), "{\"output\":\"a\xef\xbf\xbd.json\",\"ops\":3}\n");
}

TEST(HumanTest, ThreeDigitsAndAUnit) {
  EXPECT_EQ(HumanCost(0, CostUnit::kFlops), "0 FLOPs");
  EXPECT_EQ(HumanCost(999, CostUnit::kFlops), "999 FLOPs");
  EXPECT_EQ(HumanCost(1234, CostUnit::kFlops), "1.23 kFLOPs");
  EXPECT_EQ(HumanCost(int64_t{1} << 62, CostUnit::kFlops), "4.61 EFLOPs");
  EXPECT_EQ(HumanCost(12345678, CostUnit::kNanoseconds), "12.3 ms");
  EXPECT_EQ(HumanCost(123456789, CostUnit::kMicrojoules), "123 J");
  EXPECT_EQ(HumanBytes(1536), "1.50 KiB");
  EXPECT_EQ(Percent(1, 8), "12.5%");
  EXPECT_EQ(Percent(0, 0), "-");
}

}  // namespace
}  // namespace greenplan
