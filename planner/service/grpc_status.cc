#include "planner/service/grpc_status.h"

#include <string>

namespace greenplan {

grpc::Status ToGrpcStatus(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

}  // namespace greenplan
