#include "planner/daemon/daemon_retention.h"

#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::StartsWith;

TEST(DaemonRetentionTest, WithoutFlagsEverythingIsKept) {
  const auto retention = RetentionOf(DaemonOptions());
  ASSERT_TRUE(retention.ok()) << retention.status();
  EXPECT_EQ(retention->kept_report_rounds, std::nullopt);
  EXPECT_EQ(retention->max_idle_time, std::nullopt);
}

TEST(DaemonRetentionTest, TheFlagsSayWhatIsGivenUp) {
  DaemonOptions options;
  options.keep_reports = 10;
  options.delete_idle_after = "720h";
  const auto retention = RetentionOf(options);
  ASSERT_TRUE(retention.ok()) << retention.status();
  EXPECT_EQ(retention->kept_report_rounds, 10);
  EXPECT_EQ(retention->max_idle_time, absl::Hours(720));
}

TEST(DaemonRetentionTest, WhatIsNoPolicyIsRefused) {
  DaemonOptions options;
  options.keep_reports = 0;
  absl::Status status = RetentionOf(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "--keep-reports is 0; allowed: an integer >= 1");
  options.keep_reports = 1;
  options.delete_idle_after = "soon";
  status = RetentionOf(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), StartsWith("--delete-idle-after is soon"));
}

}  // namespace
}  // namespace greenplan
