#include "planner/cli/curve_html.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

nlohmann::ordered_json Row(double budget, double value) {
  return {{"budget", budget},
          {"predicted_cost", static_cast<int64_t>(100 * budget)},
          {"value", value},
          {"upper_bound", value + 1},
          {"trainable_count", 3},
          {"trainable_fraction_of_parameters", 0.5},
          {"saved_bytes", 2048},
          {"value_per_cost", 1.25},
          {"budget_cost", static_cast<int64_t>(100 * budget)},
          {"full_cost", 100},
          {"status", "FEASIBLE"},
          {"message", "stopped & <early>"}};
}

ModelProfile Profile() {
  ModelProfile profile;
  profile.model = "<script>alert(1)</script>";
  return profile;
}

TEST(CurvePageTest, HoldsTheFiguresAndNeedsNothingElse) {
  const std::string page = CurvePage({Row(0.4, 1), Row(0.8, 2.5)}, Profile());
  EXPECT_THAT(page, HasSubstr("<td>0.4</td>"));
  EXPECT_THAT(page, HasSubstr("<td>2.5</td>"));
  EXPECT_THAT(page, HasSubstr("2.00 KiB"));
  EXPECT_THAT(page, HasSubstr("<td>1.250</td>"));
  EXPECT_THAT(page, Not(HasSubstr("http")));
  EXPECT_THAT(page, Not(HasSubstr("src=")));
}

TEST(CurvePageTest, EscapesWhatFilesHold) {
  const std::string page = CurvePage({Row(0.4, 1)}, Profile());
  EXPECT_THAT(page, Not(HasSubstr("<script>")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;"));
  EXPECT_THAT(page, HasSubstr("stopped &amp; &lt;early&gt;"));
}

TEST(CurvePageTest, OnePointAndZerosHaveAFigureToo) {
  nlohmann::ordered_json row = Row(0, 0);
  row["upper_bound"] = 0;
  row["full_cost"] = 0;
  for (const auto& rows : {std::vector{row}, std::vector{row, row}}) {
    const std::string page = CurvePage(rows, Profile());
    EXPECT_THAT(page, Not(HasSubstr("nan")));
    EXPECT_THAT(page, Not(HasSubstr("inf,")));
  }
}

}  // namespace
}  // namespace greenplan
