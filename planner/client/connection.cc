#include "planner/client/connection.h"

#include <optional>

#include "planner/client/grpc_connection.h"
#include "planner/client/local_connection.h"
#include "planner/core/invalid_argument.h"
#include "planner/rpc/host_port.h"

namespace greenplan {

absl::StatusOr<std::unique_ptr<Connection>> Connect(const ConnectOptions& options) {
  if (options.planner == "local") return NewLocalConnection(options.timeout);
  const std::optional<HostPort> address = ParseHostPort(options.planner);
  if (address.has_value() && address->port > 0) return NewGrpcConnection(options.planner, options.timeout);
  return InvalidArgument("planner", " is \"", options.planner, "\"; must be local or HOST:PORT, PORT being 1 to 65535");
}

}  // namespace greenplan
