#ifndef GREENPLAN_PLANNER_SERVICE_GRPC_STATUS_H_
#define GREENPLAN_PLANNER_SERVICE_GRPC_STATUS_H_

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace greenplan {

// An error as an RPC answers it: the same code and message (its first 1,000 bytes: longer trailers do not pass), and
// for programs, as google.rpc.Status in error_details():
//   ErrorInfo    always: the code's name, domain "greenplan";
//   BadRequest   with INVALID_ARGUMENT, if the message starts with the path of a field: "budget is 2; ...";
//   RetryInfo    with UNAVAILABLE and RESOURCE_EXHAUSTED: one second.
// The one place where errors become gRPC's. Pure function, thread-safe.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_GRPC_STATUS_H_
