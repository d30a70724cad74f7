#include "planner/service/cancellation.h"

namespace greenplan {

// gRPC cancels a call whose deadline has passed.
StopFunction WhenCancelled(grpc::ServerContext* context) {
  return [context] { return context->IsCancelled(); };
}

}  // namespace greenplan
