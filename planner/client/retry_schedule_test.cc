#include "planner/client/retry_schedule.h"

#include "gtest/gtest.h"
#include "planner/rpc/retry_delay.h"

namespace greenplan {
namespace {

TEST(RetryScheduleTest, TriesAgainWhatMayPassAndNothingElse) {
  const struct {
    absl::Status error;
    bool is_retried;
  } cases[] = {
      {absl::UnavailableError("draining"), true},
      {WithRetryDelay(absl::UnavailableError("draining"), absl::Seconds(1)), true},
      {WithRetryDelay(absl::ResourceExhaustedError("the queue is full"), absl::Seconds(1)), true},
      {absl::ResourceExhaustedError("the request has 17 MiB"), false},
      {WithRetryDelay(absl::InternalError("bug"), absl::Seconds(1)), false},
      {absl::DeadlineExceededError("late"), false},
      {absl::InvalidArgumentError("budget is 2"), false},
  };
  for (const auto& c : cases) EXPECT_EQ(RetrySchedule().PauseAfter(c.error).has_value(), c.is_retried) << c.error;
}

TEST(RetryScheduleTest, PausesGrowUpToALimit) {
  RetrySchedule schedule;
  const absl::Status error = absl::UnavailableError("gone");
  EXPECT_LE(*schedule.PauseAfter(error), absl::Milliseconds(120));
  for (int i = 0; i < 20; ++i) schedule.PauseAfter(error);
  EXPECT_GE(*schedule.PauseAfter(error), absl::Milliseconds(1600));
  EXPECT_LE(*schedule.PauseAfter(error), absl::Milliseconds(2400));
}

TEST(RetryScheduleTest, KeepsTheDelayThatThePlannerAskedFor) {
  RetrySchedule schedule;
  const absl::Status error = WithRetryDelay(absl::ResourceExhaustedError("full"), absl::Seconds(7));
  EXPECT_EQ(schedule.PauseAfter(error), absl::Seconds(7));
}

}  // namespace
}  // namespace greenplan
