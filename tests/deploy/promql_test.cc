#include "tests/deploy/promql.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Series kSeries = {{"greenplan_calls_bucket", {"method", "code", "le"}}, {"greenplan_build_info", {"version"}}};

TEST(ParseMetricsTest, ReadsNamesAndLabels) {
  const Series series = ParseMetrics(
      "# HELP greenplan_x Help with {a=\"b\"}.\n"
      "greenplan_x{method=\"GetJob\",code=\"OK\"} 2\n"
      "greenplan_x{tenant=\"a b{\"} 2\n"
      "greenplan_y 1.5\n");
  EXPECT_EQ(series, (Series{{"greenplan_x", {"method", "code", "tenant"}}, {"greenplan_y", {}}}));
}

TEST(ProblemsOfTest, AcceptsWhatIsMeasured) {
  for (const char* expression :
       {"greenplan_build_info", "count by (version) (greenplan_build_info{instance=~\"$instance\"})",
        "histogram_quantile(0.99, sum by (le, method) (rate(greenplan_calls_bucket{code!=\"OK\"}[5m]))) > 1"}) {
    EXPECT_THAT(ProblemsOf(expression, kSeries), IsEmpty()) << expression;
  }
}

TEST(ProblemsOfTest, NamesWhatIsNot) {
  EXPECT_THAT(ProblemsOf("rate(greenplan_cals_bucket[5m])", kSeries),
              ElementsAre("there is no metric greenplan_cals_bucket"));
  EXPECT_THAT(ProblemsOf("greenplan_build_info{code=\"version=\"}", kSeries),
              ElementsAre("greenplan_build_info has no label code"));
  EXPECT_THAT(ProblemsOf("sum by (version, tenant) (greenplan_build_info)", kSeries),
              ElementsAre("no metric has the label tenant"));
  EXPECT_THAT(ProblemsOf("up == 0", kSeries), ElementsAre("it names no metric greenplan_..."));
}

}  // namespace
}  // namespace greenplan
