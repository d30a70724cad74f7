#include "planner/job/in_request.h"

#include "gtest/gtest.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

TEST(InRequestTest, FieldAndMessageBeginWithThePath) {
  const absl::Status status = InRequest("job.profile", InvalidArgument("ops[1].cost", " is -1; costs must be >= 0"));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(status), "job.profile.ops[1].cost");
  EXPECT_EQ(status.message(), "job.profile.ops[1].cost is -1; costs must be >= 0");
}

TEST(InRequestTest, AMessageThatDoesNotBeginWithItsFieldIsLedByIt) {
  const absl::Status status =
      InRequest("report", WithField(absl::InvalidArgumentError("the sum of |importance| overflows"), "importance"));
  EXPECT_EQ(FieldOf(status), "report.importance");
  EXPECT_EQ(status.message(), "report.importance: the sum of |importance| overflows");
}

TEST(InRequestTest, WhatNamesNoFieldIsAboutThePartAsAWhole) {
  const absl::Status status = InRequest("job.profile", absl::InvalidArgumentError("the sum of saved_bytes is 2^63"));
  EXPECT_EQ(FieldOf(status), "job.profile");
  EXPECT_EQ(status.message(), "job.profile: the sum of saved_bytes is 2^63");
  EXPECT_EQ(InRequest("job.profile", absl::InternalError("bug")), absl::InternalError("bug"));
  EXPECT_EQ(InRequest("job.profile", absl::OkStatus()), absl::OkStatus());
}

TEST(InRequestTest, AReportMayBeWrongTogetherWithTheOptions) {
  const auto field = [](const char* of_status) {
    return FieldOf(ReportInRequest("importance", "options", InvalidArgument(of_status, " is wrong")));
  };
  EXPECT_EQ(field("sensitivity[0]"), "importance.sensitivity[0]");
  EXPECT_EQ(field("mu"), "options.mu");
}

}  // namespace
}  // namespace greenplan
