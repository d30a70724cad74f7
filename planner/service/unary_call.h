#ifndef GREENPLAN_PLANNER_SERVICE_UNARY_CALL_H_
#define GREENPLAN_PLANNER_SERVICE_UNARY_CALL_H_

#include <atomic>
#include <memory>

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "planner/admission/answer_memory.h"
#include "planner/job/planning.h"

namespace greenplan {

// Returns how long the caller of `context` waits: until the call's deadline, and as long as `is_cancelled` is false.
// The limits share `is_cancelled`, so they may outlive the call.
CallLimits LimitsOf(const grpc::ServerContextBase& context, std::shared_ptr<const std::atomic<bool>> is_cancelled);

// One call of an RPC with one answer, which may come later and from any thread (gRPC's callback interface): the handler
// returns the call at once, and no thread waits for the answer.
//
//   auto* call = new UnaryCall(context, response);
//   queue.Continue(tenant, [call, request] { call->Answer(WireFormatOf(GetJob(*request)), std::move(share)); });
//   return call;
//
// The call deletes itself once it has been answered and gRPC has let go of it. Context, request and response are valid
// until Answer or Fail.
// Thread-safety: one of Answer and Fail is called exactly once, from any thread.
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  UnaryCall(const grpc::CallbackServerContext& context, grpc::ByteBuffer* response)
      : context_(context), response_(*response) {}

  // Returns the call's deadline, with `cancelled` true once the client has cancelled the call or its connection is
  // gone.
  CallLimits limits() const { return LimitsOf(context_, is_cancelled_); }

  // Sends a message in wire format. Keeps its share of the memory for answers until gRPC needs the message no longer:
  // it is sent, or the client has gone.
  void Answer(grpc::ByteBuffer message, AnswerMemory::Share share);
  // Sends an error. REQUIRES: `status` is not OK.
  void Fail(const absl::Status& status);

  // Called by gRPC once the client has cancelled the call, and after its last use of the call.
  void OnCancel() override { *is_cancelled_ = true; }
  void OnDone() override { delete this; }

 private:
  // gRPC calls both on the thread on which it learns of the event, because they are short, and need not wake up another
  // one for them.
  bool InternalInlineable() override { return true; }

  ~UnaryCall() override = default;

  const grpc::CallbackServerContext& context_;
  grpc::ByteBuffer& response_;
  AnswerMemory::Share share_;
  const std::shared_ptr<std::atomic<bool>> is_cancelled_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_UNARY_CALL_H_
