#ifndef GREENPLAN_PLANNER_RPC_GRPC_STATUS_H_
#define GREENPLAN_PLANNER_RPC_GRPC_STATUS_H_

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace greenplan {

// Errors as they cross the wire. The one place where Status becomes gRPC's, and where it is read back.
// Pure functions, thread-safe.

// Returns the same code and message (its first 1,000 bytes, because longer trailers do not pass), and for programs, as
// google.rpc.Status in error_details():
//
//   ErrorInfo    always: the code's name, domain "greenplan";
//   BadRequest   if the status is about a field (InvalidArgument in planner/core/invalid_argument.h);
//   RetryInfo    if the status has a retry delay (retry_delay.h), and with UNAVAILABLE: one second unless it says so.
grpc::Status ToGrpcStatus(const absl::Status& status);

// Returns the status that a daemon answered, including its field and its retry delay. If another server sends other
// details, code and message stay.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_RPC_GRPC_STATUS_H_
