#ifndef GREENPLAN_PLANNER_SERVICE_GRPC_STATUS_H_
#define GREENPLAN_PLANNER_SERVICE_GRPC_STATUS_H_

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace greenplan {

// An error as an RPC answers it: the same code and message. The one place where errors become gRPC's.
// Pure function, thread-safe.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_GRPC_STATUS_H_
