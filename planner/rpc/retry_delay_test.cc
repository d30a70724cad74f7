#include "planner/rpc/retry_delay.h"

#include "gtest/gtest.h"

namespace greenplan {
namespace {

TEST(RetryDelayTest, IsCarriedByTheStatus) {
  const absl::Status status = WithRetryDelay(absl::ResourceExhaustedError("full"), absl::Milliseconds(1500));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "full");
  EXPECT_EQ(RetryDelayOf(status), absl::Milliseconds(1500));
  EXPECT_EQ(RetryDelayOf(WithRetryDelay(status, absl::ZeroDuration())), absl::ZeroDuration());
}

TEST(RetryDelayTest, AStatusThatSaysNothingHasNone) {
  EXPECT_EQ(RetryDelayOf(absl::ResourceExhaustedError("full")), std::nullopt);
  EXPECT_EQ(RetryDelayOf(absl::OkStatus()), std::nullopt);
}

}  // namespace
}  // namespace greenplan
