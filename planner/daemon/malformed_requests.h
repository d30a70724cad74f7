#ifndef GREENPLAN_PLANNER_DAEMON_MALFORMED_REQUESTS_H_
#define GREENPLAN_PLANNER_DAEMON_MALFORMED_REQUESTS_H_

#include <memory>

#include "grpcpp/support/server_interceptor.h"

namespace greenplan {

// Returns an interceptor that answers INVALID_ARGUMENT to a call whose request is no message of the RPC's type. gRPC's
// callback interface answers UNIMPLEMENTED without a message, which tells a client that the daemon is too old rather
// than that the request is bad. REQUIRES: no handler answers UNIMPLEMENTED with an empty message.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NewMalformedRequestAnswers();

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_MALFORMED_REQUESTS_H_
