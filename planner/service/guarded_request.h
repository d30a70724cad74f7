#ifndef GREENPLAN_PLANNER_SERVICE_GUARDED_REQUEST_H_
#define GREENPLAN_PLANNER_SERVICE_GUARDED_REQUEST_H_

#include <cstdint>

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/message_allocator.h"
#include "planner/admission/memory_budget.h"
#include "planner/rpc/parsed_size.h"

namespace greenplan {

// A request of a call, for which gRPC parses it unless it would take too much memory. All requests that are in progress
// take their shares of one budget; small ones, which are most, need none, so that a few large ones of somebody else do
// not keep them out.
//
// gRPC gets the requests from GuardedMessages and parses them by SerializationTraits, below.
template <typename Request>
struct GuardedRequest {
  Request message;
  // OK, or why `message` is empty: InvalidArgument, ResourceExhausted.
  absl::Status status;
  MemoryBudget* budget = nullptr;
  MemoryBudget::Share share = nullptr;  // Of a message that is not small.
  int64_t wire_bytes = 0;               // Of the message as it came.
};

// Takes the share of the budget for a request of this type in wire format.
// ResourceExhausted: it alone would take more than a request may; or, with a retry delay, others take too much now.
absl::Status TakeShare(const ParsedSize& size, grpc::ByteBuffer& wire, MemoryBudget* budget,
                       MemoryBudget::Share& share);

// What can be asked of the messages of a call, whatever their types.
class GuardedCall {
 public:
  // Returns how many bytes the request took as it came.
  virtual int64_t wire_bytes() const = 0;

 protected:
  ~GuardedCall() = default;
};

// Returns how many bytes the call's request took as it came. REQUIRES: its messages come from GuardedMessages.
int64_t RequestBytes(grpc::CallbackServerContext& context);

// Gives each call of an RPC its messages. `budget` must outlive the calls. Thread-safety: safe.
template <typename Request, typename Response>
class GuardedMessages final : public grpc::MessageAllocator<GuardedRequest<Request>, Response> {
 public:
  explicit GuardedMessages(MemoryBudget* budget) : budget_(budget) {}

  // Gives the share of the call's request back and returns the request, for the handler to move out what is large. gRPC
  // keeps a request until its call ends, and one that waits for others need not take memory.
  // REQUIRES: the call's messages come from such an object.
  static Request& ReleaseShare(grpc::CallbackServerContext& context) {
    GuardedRequest<Request>& request = *static_cast<Messages*>(context.GetRpcAllocatorState())->request();
    request.share = nullptr;
    return request.message;
  }

  grpc::MessageHolder<GuardedRequest<Request>, Response>* AllocateMessages() override { return new Messages(budget_); }

 private:
  // Of one call, which releases it.
  class Messages final : public grpc::MessageHolder<GuardedRequest<Request>, Response>, public GuardedCall {
   public:
    explicit Messages(MemoryBudget* budget) {
      own_request_.budget = budget;
      this->set_request(&own_request_);
      this->set_response(&own_response_);
    }
    void Release() override { delete this; }
    int64_t wire_bytes() const override { return own_request_.wire_bytes; }

   private:
    GuardedRequest<Request> own_request_;
    Response own_response_;
  };

  MemoryBudget* const budget_;
};

}  // namespace greenplan

namespace grpc {

// How gRPC parses a request. That it is bad is for the handler to answer: gRPC itself would answer UNIMPLEMENTED.
template <typename Request>
class SerializationTraits<greenplan::GuardedRequest<Request>, void> {
 public:
  static Status Deserialize(ByteBuffer* wire, greenplan::GuardedRequest<Request>* request) {
    static const greenplan::ParsedSize size(Request::descriptor());
    request->wire_bytes = static_cast<int64_t>(wire->Length());
    request->status = greenplan::TakeShare(size, *wire, request->budget, request->share);
    if (request->status.ok() && !SerializationTraits<Request>::Deserialize(wire, &request->message).ok()) {
      request->message.Clear();
      request->status = absl::InvalidArgumentError("the request is no message of the type that this RPC takes");
    }
    wire->Clear();
    return Status::OK;
  }
};

}  // namespace grpc

#endif  // GREENPLAN_PLANNER_SERVICE_GUARDED_REQUEST_H_
