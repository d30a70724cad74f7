#ifndef GREENPLAN_PLANNER_SERVICE_CANCELLATION_H_
#define GREENPLAN_PLANNER_SERVICE_CANCELLATION_H_

#include "grpcpp/server_context.h"
#include "planner/core/plan.h"

namespace greenplan {

// True once the client has cancelled the call, its deadline has passed or its connection is gone. For the thread of a
// synchronous handler, while the handler runs.
StopFunction WhenCancelled(grpc::ServerContext* context);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_CANCELLATION_H_
