#ifndef GREENPLAN_PLANNER_DAEMON_RPC_METRICS_H_
#define GREENPLAN_PLANNER_DAEMON_RPC_METRICS_H_

#include <memory>

#include "grpcpp/support/server_interceptor.h"
#include "planner/metrics/metrics.h"

namespace greenplan {

// Returns an interceptor that records the duration and code of every call of the planner service once it is answered.
// `metrics` must outlive the server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NewRpcMetrics(Metrics* metrics);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_RPC_METRICS_H_
