#include "planner/service/call_limits.h"

#include <chrono>

#include "absl/time/clock.h"

namespace greenplan {

// gRPC tells a call's deadline in wall-clock time, which may be set back and forth; what is left of it does not jump.
CallLimits LimitsOf(grpc::ServerContext* context) {
  CallLimits limits{.cancelled = [context] { return context->IsCancelled(); }};
  const std::chrono::system_clock::time_point deadline = context->deadline();
  if (deadline != std::chrono::system_clock::time_point::max()) {
    limits.deadline = limits.clock() + (absl::FromChrono(deadline) - absl::Now());
  }
  return limits;
}

}  // namespace greenplan
