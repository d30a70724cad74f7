#ifndef GREENPLAN_PLANNER_CLIENT_GRPC_CONNECTION_H_
#define GREENPLAN_PLANNER_CLIENT_GRPC_CONNECTION_H_

#include <memory>

#include "absl/time/time.h"
#include "planner/client/connection.h"
#include "planner/client/planner_channel.h"

namespace greenplan {

// Returns a connection to the planner that `channel` reaches. Every call of a Connection is idempotent, so one that
// fails for now is tried again until `timeout` has passed (PlannerChannel::Call).
std::unique_ptr<Connection> NewGrpcConnection(std::unique_ptr<PlannerChannel> channel, absl::Duration timeout);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLIENT_GRPC_CONNECTION_H_
