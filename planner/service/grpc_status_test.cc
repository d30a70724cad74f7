#include "planner/service/grpc_status.h"

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"

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

TEST(GrpcStatusTest, ABadFieldIsNamed) {
  const std::string message = "tensors[17].weight_grad_cost is -3; costs must be >= 0";
  const google::rpc::Status details = DetailsOf(absl::InvalidArgumentError(message));
  ASSERT_EQ(details.details_size(), 2);
  google::rpc::BadRequest bad_request;
  ASSERT_TRUE(details.details(1).UnpackTo(&bad_request));
  ASSERT_EQ(bad_request.field_violations_size(), 1);
  EXPECT_EQ(bad_request.field_violations(0).field(), "tensors[17].weight_grad_cost");
  EXPECT_EQ(bad_request.field_violations(0).description(), message);
}

TEST(GrpcStatusTest, AMessageThatNamesNoFieldHasNoBadRequest) {
  EXPECT_EQ(DetailsOf(absl::InvalidArgumentError("The pins exceed the budget")).details_size(), 1);
  EXPECT_EQ(DetailsOf(absl::InvalidArgumentError("")).details_size(), 1);
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
  for (const absl::Status& status : {absl::UnavailableError("full"), absl::ResourceExhaustedError("quota")}) {
    const google::rpc::Status details = DetailsOf(status);
    ASSERT_EQ(details.details_size(), 2);
    google::rpc::RetryInfo retry_info;
    ASSERT_TRUE(details.details(1).UnpackTo(&retry_info));
    EXPECT_EQ(retry_info.retry_delay().seconds(), 1);
  }
}

}  // namespace
}  // namespace greenplan
