#ifndef GREENPLAN_PLANNER_DAEMON_RPC_LOG_H_
#define GREENPLAN_PLANNER_DAEMON_RPC_LOG_H_

#include <memory>

#include "grpcpp/support/server_interceptor.h"

namespace greenplan {

// Returns an interceptor that logs every call once it is answered: method, peer, code, milliseconds and, if it failed,
// the message. Failures are logged as info; what went well or was cancelled, as debug; faults of the daemon (INTERNAL,
// DATA_LOSS, UNKNOWN), as errors.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NewRpcLog();

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_RPC_LOG_H_
