#include "planner/client/connection.h"

#include <utility>

#include "planner/client/grpc_connection.h"
#include "planner/client/local_connection.h"
#include "planner/client/planner_channel.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {

absl::StatusOr<std::unique_ptr<Connection>> Connect(const ConnectOptions& options) {
  if (options.planner == "local") return NewLocalConnection(options.timeout);
  if (!IsServerList(options.planner)) {
    return InvalidArgument("planner", " is \"", options.planner,
                           "\"; must be local or HOST:PORT[,HOST:PORT...], PORT being 1 to 65535");
  }
  absl::StatusOr<std::unique_ptr<PlannerChannel>> channel = PlannerChannel::Create(options.planner, options.security);
  if (!channel.ok()) return channel.status();
  return NewGrpcConnection(*std::move(channel), options.timeout);
}

}  // namespace greenplan
