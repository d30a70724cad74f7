#ifndef GREENPLAN_PLANNER_SERVICE_CALL_LIMITS_H_
#define GREENPLAN_PLANNER_SERVICE_CALL_LIMITS_H_

#include "grpcpp/server_context.h"
#include "planner/job/planning.h"

namespace greenplan {

// The limits of a planning that the call of `context` asks for: the call's deadline; cancelled once the client has
// cancelled the call or its connection is gone. For the thread of a synchronous handler, while the handler runs.
CallLimits LimitsOf(grpc::ServerContext* context);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_CALL_LIMITS_H_
