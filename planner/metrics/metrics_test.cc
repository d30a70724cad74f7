#include "planner/metrics/metrics.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

TEST(MetricsTest, CountsCallsByMethodAndCode) {
  Metrics metrics("1.2.3");
  metrics.RecordRpc("GetJob", "OK", absl::Milliseconds(2));
  metrics.RecordRpc("GetJob", "OK", absl::Seconds(200));
  metrics.RecordRpc("GetJob", "NOT_FOUND", absl::Milliseconds(1));
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("greenplan_build_info{version=\"1.2.3\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE greenplan_rpc_duration_seconds histogram"));
  EXPECT_THAT(text, HasSubstr("greenplan_rpc_duration_seconds_count{code=\"OK\",method=\"GetJob\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_rpc_duration_seconds_bucket{code=\"OK\",method=\"GetJob\",le=\"120\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_rpc_duration_seconds_count{code=\"NOT_FOUND\",method=\"GetJob\"} 1\n"));
}

}  // namespace
}  // namespace greenplan
