#include "planner/rpc/grpc_status.h"

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "planner/core/invalid_argument.h"
#include "planner/rpc/retry_delay.h"

namespace greenplan {
namespace {

TEST(GrpcStatusTest, KeepsCodeAndMessage) {
  const struct {
    absl::StatusCode from;
    grpc::StatusCode to;
  } cases[] = {
      {absl::StatusCode::kOk, grpc::StatusCode::OK},
      {absl::StatusCode::kCancelled, grpc::StatusCode::CANCELLED},
      {absl::StatusCode::kUnknown, grpc::StatusCode::UNKNOWN},
      {absl::StatusCode::kInvalidArgument, grpc::StatusCode::INVALID_ARGUMENT},
      {absl::StatusCode::kDeadlineExceeded, grpc::StatusCode::DEADLINE_EXCEEDED},
      {absl::StatusCode::kNotFound, grpc::StatusCode::NOT_FOUND},
      {absl::StatusCode::kAlreadyExists, grpc::StatusCode::ALREADY_EXISTS},
      {absl::StatusCode::kPermissionDenied, grpc::StatusCode::PERMISSION_DENIED},
      {absl::StatusCode::kResourceExhausted, grpc::StatusCode::RESOURCE_EXHAUSTED},
      {absl::StatusCode::kFailedPrecondition, grpc::StatusCode::FAILED_PRECONDITION},
      {absl::StatusCode::kAborted, grpc::StatusCode::ABORTED},
      {absl::StatusCode::kOutOfRange, grpc::StatusCode::OUT_OF_RANGE},
      {absl::StatusCode::kUnimplemented, grpc::StatusCode::UNIMPLEMENTED},
      {absl::StatusCode::kInternal, grpc::StatusCode::INTERNAL},
      {absl::StatusCode::kUnavailable, grpc::StatusCode::UNAVAILABLE},
      {absl::StatusCode::kDataLoss, grpc::StatusCode::DATA_LOSS},
      {absl::StatusCode::kUnauthenticated, grpc::StatusCode::UNAUTHENTICATED},
  };
  for (const auto& c : cases) {
    const bool is_ok = c.from == absl::StatusCode::kOk;
    const grpc::Status status = ToGrpcStatus(absl::Status(c.from, "budget is 2; allowed: (0, 1]"));
    EXPECT_EQ(status.error_code(), c.to);
    EXPECT_EQ(status.error_message(), is_ok ? "" : "budget is 2; allowed: (0, 1]");
  }
}

google::rpc::Status DetailsOf(const absl::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(ToGrpcStatus(status).error_details()));
  EXPECT_EQ(details.code(), static_cast<int>(status.code()));
  EXPECT_EQ(details.message(), status.message());
  return details;
}

TEST(GrpcStatusTest, EveryErrorTellsItsReason) {
  const google::rpc::Status details = DetailsOf(absl::NotFoundError("jobs/a does not exist"));
  ASSERT_EQ(details.details_size(), 1);
  google::rpc::ErrorInfo error_info;
  ASSERT_TRUE(details.details(0).UnpackTo(&error_info));
  EXPECT_EQ(error_info.reason(), "NOT_FOUND");
  EXPECT_EQ(error_info.domain(), "greenplan");
  EXPECT_EQ(ToGrpcStatus(absl::OkStatus()).error_details(), "");
}

// The name of the bad field, if the details have one.
std::string BadFieldOf(const absl::Status& status) {
  google::rpc::BadRequest bad_request;
  const google::rpc::Status details = DetailsOf(status);
  for (const auto& detail : details.details()) {
    if (!detail.UnpackTo(&bad_request)) continue;
    EXPECT_EQ(bad_request.field_violations_size(), 1);
    EXPECT_EQ(bad_request.field_violations(0).description(), status.message());
    return bad_request.field_violations(0).field();
  }
  return "";
}

TEST(GrpcStatusTest, ABadFieldIsNamedAsWhoeverFoundItNamedIt) {
  EXPECT_EQ(BadFieldOf(InvalidArgument("tensors[17].weight_grad_cost", " is -3; costs must be >= 0")),
            "tensors[17].weight_grad_cost");
  EXPECT_EQ(BadFieldOf(InvalidArgument("always", ": the pinned tensors alone cost 5")), "always");
  EXPECT_EQ(BadFieldOf(InContext("budgets[0]", InvalidArgument("budget.absolute", " is 0"))), "budget.absolute");
}

TEST(GrpcStatusTest, ProseThatLooksLikeAFieldIsNone) {
  EXPECT_EQ(BadFieldOf(absl::InvalidArgumentError("the sum of saved_bytes is about 1e19")), "");
  EXPECT_EQ(BadFieldOf(absl::InvalidArgumentError("budget is 2")), "");
  EXPECT_EQ(BadFieldOf(absl::InvalidArgumentError("")), "");
}

TEST(GrpcStatusTest, ALongMessageIsCutBetweenCharacters) {
  std::string message = "name is ";
  while (message.size() < 100'000) message += "\xe2\x82\xac";  // A character of three bytes.
  const grpc::Status status = ToGrpcStatus(absl::InvalidArgumentError(message));
  EXPECT_LE(status.error_message().size(), 1000u);
  EXPECT_EQ(status.error_message().substr(status.error_message().size() - 6), "\xe2\x82\xac...");
  EXPECT_LT(status.error_details().size(), 4000u);
}

TEST(GrpcStatusTest, WhatMayBeTriedAgainSaysWhen) {
  const struct {
    absl::Status status;
    absl::Duration delay;
  } cases[] = {
      {absl::UnavailableError("draining"), absl::Seconds(1)},
      {WithRetryDelay(absl::UnavailableError("draining"), absl::Milliseconds(1500)), absl::Milliseconds(1500)},
      {WithRetryDelay(absl::ResourceExhaustedError("the queue is full"), absl::Seconds(3)), absl::Seconds(3)},
  };
  for (const auto& c : cases) {
    const google::rpc::Status details = DetailsOf(c.status);
    ASSERT_EQ(details.details_size(), 2);
    google::rpc::RetryInfo retry_info;
    ASSERT_TRUE(details.details(1).UnpackTo(&retry_info));
    EXPECT_EQ(absl::Seconds(retry_info.retry_delay().seconds()) + absl::Nanoseconds(retry_info.retry_delay().nanos()),
              c.delay);
  }
}

TEST(GrpcStatusTest, WhatIsTooLargeForGoodSaysNotWhen) {
  EXPECT_EQ(DetailsOf(absl::ResourceExhaustedError("the request has 17 MiB")).details_size(), 1);
}

TEST(GrpcStatusTest, AClientReadsBackWhatTheDaemonMeant) {
  const absl::Status statuses[] = {
      InvalidArgument("budget.absolute", " is 0; allowed: an integer > 0"),
      WithRetryDelay(absl::ResourceExhaustedError("the queue is full"), absl::Milliseconds(2500)),
      absl::NotFoundError("jobs/a does not exist"),
      absl::OkStatus(),
  };
  for (const absl::Status& status : statuses) EXPECT_EQ(FromGrpcStatus(ToGrpcStatus(status)), status);
}

TEST(GrpcStatusTest, DetailsOfOtherServersDoNotChangeCodeAndMessage) {
  google::rpc::RetryInfo negative;
  negative.mutable_retry_delay()->set_seconds(-1);
  google::rpc::Status details;
  details.add_details()->PackFrom(negative);
  details.add_details()->PackFrom(google::rpc::BadRequest());
  for (const std::string& bytes : {std::string("\xff\xff"), details.SerializeAsString()}) {
    EXPECT_EQ(FromGrpcStatus(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "full", bytes)),
              absl::ResourceExhaustedError("full"));
  }
}

}  // namespace
}  // namespace greenplan
