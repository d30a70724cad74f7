#ifndef GREENPLAN_PLANNER_CLIENT_GRPC_CONNECTION_H_
#define GREENPLAN_PLANNER_CLIENT_GRPC_CONNECTION_H_

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "planner/client/connection.h"

namespace greenplan {

// A planner daemon at `host_and_port`, "HOST:PORT". Does not wait for it.
// Every call here is idempotent, so one that fails for now is tried again (RetrySchedule) until `timeout` has passed;
// the error then names the daemon. Other errors are those of the daemon: code, message and field.
std::unique_ptr<Connection> NewGrpcConnection(const std::string& host_and_port, absl::Duration timeout);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLIENT_GRPC_CONNECTION_H_
