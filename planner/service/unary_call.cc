#include "planner/service/unary_call.h"

#include <chrono>
#include <utility>

#include "absl/time/clock.h"
#include "planner/rpc/grpc_status.h"

namespace greenplan {

// gRPC tells a call's deadline in wall-clock time, which may be set back and forth; what is left of it does not jump.
CallLimits LimitsOf(const grpc::ServerContextBase& context, std::shared_ptr<const std::atomic<bool>> is_cancelled) {
  CallLimits limits{.cancelled = [is_cancelled = std::move(is_cancelled)] { return is_cancelled->load(); }};
  const std::chrono::system_clock::time_point deadline = context.deadline();
  if (deadline != std::chrono::system_clock::time_point::max()) {
    limits.deadline = limits.clock() + (absl::FromChrono(deadline) - absl::Now());
  }
  return limits;
}

void UnaryCall::Answer(grpc::ByteBuffer message, AnswerMemory::Share share) {
  response_.Swap(&message);
  share_ = std::move(share);
  Finish(grpc::Status::OK);
}

void UnaryCall::Fail(const absl::Status& status) { Finish(ToGrpcStatus(status)); }

}  // namespace greenplan
