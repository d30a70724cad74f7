#include "planner/metrics/histogram_table.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

TEST(HistogramTableTest, EachMethodAndCodeHasOneHistogram) {
  prometheus::Registry registry;
  HistogramTable table(&registry, "t_seconds", "Help.", {0.1, 1});
  table.Of("Get", "OK").Observe(0.5);
  table.Of("Get", "OK").Observe(0.05);
  table.Of("Get", "NOT_FOUND").Observe(5);
  table.Of("Put", "OK").Observe(5);
  const std::string text = prometheus::TextSerializer().Serialize(registry.Collect());
  EXPECT_THAT(text, HasSubstr("t_seconds_count{code=\"OK\",method=\"Get\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{code=\"OK\",method=\"Get\",le=\"0.1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_count{code=\"NOT_FOUND\",method=\"Get\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{code=\"OK\",method=\"Put\",le=\"1\"} 0\n"));
}

}  // namespace
}  // namespace greenplan
