#include "planner/metrics/series_table.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

TEST(SeriesTableTest, EachListOfValuesHasOneSeriesWhichIsMadeOnce) {
  prometheus::Registry registry;
  auto& family = prometheus::BuildHistogram().Name("t_seconds").Help("Help.").Register(registry);
  int num_made = 0;
  SeriesTable<prometheus::Histogram> table({"method", "code"}, [&](const prometheus::Labels& labels) {
    ++num_made;
    return &family.Add(labels, prometheus::Histogram::BucketBoundaries{0.1, 1});
  });
  table.Of({"Get", "OK"}).Observe(0.5);
  table.Of({"Get", "OK"}).Observe(0.05);
  table.Of({"Get", "NOT_FOUND"}).Observe(5);
  table.Of({"Put", "OK"}).Observe(5);
  EXPECT_EQ(num_made, 3);
  const std::string text = prometheus::TextSerializer().Serialize(registry.Collect());
  EXPECT_THAT(text, HasSubstr("t_seconds_count{code=\"OK\",method=\"Get\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{code=\"OK\",method=\"Get\",le=\"0.1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_count{code=\"NOT_FOUND\",method=\"Get\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{code=\"OK\",method=\"Put\",le=\"1\"} 0\n"));
}

}  // namespace
}  // namespace greenplan
