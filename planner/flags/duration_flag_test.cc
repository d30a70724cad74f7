#include "planner/flags/duration_flag.h"

#include <string>

#include "gtest/gtest.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

TEST(DurationFlagTest, ReadsSecondsAndDurations) {
  const struct {
    const char* text;
    absl::Duration duration;
  } cases[] = {
      {"60", absl::Seconds(60)},        {"0.5", absl::Milliseconds(500)}, {"250ms", absl::Milliseconds(250)},
      {"1m30s", absl::Seconds(90)},     {"1ns", absl::Nanoseconds(1)},    {"1e-9", absl::Nanoseconds(1)},
      {"8760h", absl::Hours(24 * 365)},
  };
  for (const auto& c : cases) {
    const absl::StatusOr<absl::Duration> duration = ParseDurationFlag("--timeout", c.text);
    ASSERT_TRUE(duration.ok()) << duration.status();
    EXPECT_EQ(*duration, c.duration) << c.text;
  }
}

TEST(DurationFlagTest, RefusesWhatIsNoTimeToWait) {
  for (const char* text : {"", "soon", "0", "0s", "-1", "-1s", "nan", "inf", "1e300", "8761h", "1e-10", "10 minutes"}) {
    const absl::Status status = ParseDurationFlag("--timeout", text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(FieldOf(status), "--timeout");
    EXPECT_EQ(status.message(),
              std::string("--timeout is ") + text + "; allowed: seconds > 0, or a duration such as 250ms");
  }
}

}  // namespace
}  // namespace greenplan
