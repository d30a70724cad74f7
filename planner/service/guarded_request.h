#ifndef GREENPLAN_PLANNER_SERVICE_GUARDED_REQUEST_H_
#define GREENPLAN_PLANNER_SERVICE_GUARDED_REQUEST_H_

#include <cstdint>

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/message_allocator.h"
#include "planner/admission/memory_budget.h"
#include "planner/rpc/parsed_size.h"
#include "planner/rpc/small_request.h"

namespace greenplan {

// A request of a call. gRPC reads small ones, which are most. A large one stays as it came until Read, which is called
// where the work of the call is done: gRPC's few threads have calls of others to attend to, and a request that waits
// for its turn takes the least memory in this form.
//
// The large requests that are read take their shares of one budget. Small ones need none, so that a few large ones of
// somebody else do not keep them out.
//
// gRPC gets the requests from GuardedMessages and reads them by SerializationTraits, below.
template <typename Request>
struct GuardedRequest {
  Request message;      // Empty until it is read.
  absl::Status status;  // Of reading it: OK, InvalidArgument, ResourceExhausted.
  grpc::ByteBuffer unread;
  int64_t wire_bytes = 0;  // Of the message as it came.
  MemoryBudget* budget = nullptr;
  MemoryBudget::Share share = nullptr;  // Of a large message that is read.

  // Reads the message if that has not been done. Returns `status`.
  absl::Status Read();
  // Frees what a large message takes, which may take a while.
  void Free();
};

// Whether a request of so many bytes on the wire is one that takes a share. A small one may take fifty times as much in
// memory; there are as many as the tenants' queues hold.
bool IsLargeRequest(int64_t wire_bytes);

// Takes the share of the budget for a request of this type in wire format.
// ResourceExhausted: it alone would take more than a request may; or, with a retry delay, others take too much now.
absl::Status TakeShare(const ParsedSize& size, grpc::ByteBuffer& wire, MemoryBudget* budget,
                       MemoryBudget::Share& share);

// The request of a call, whatever its type.
class GuardedCall {
 public:
  // Returns the one of a call whose messages come from GuardedMessages.
  static GuardedCall& Of(grpc::CallbackServerContext& context) {
    return dynamic_cast<GuardedCall&>(*context.GetRpcAllocatorState());
  }

  // What GuardedRequest has.
  virtual int64_t wire_bytes() const = 0;
  virtual absl::Status Read() = 0;
  virtual void Free() = 0;

 protected:
  ~GuardedCall() = default;
};

// Gives each call of an RPC its messages: the request, and the answer in wire format. `budget` must outlive the calls.
// Thread-safety: safe.
template <typename Request>
class GuardedMessages final : public grpc::MessageAllocator<GuardedRequest<Request>, grpc::ByteBuffer> {
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

  grpc::MessageHolder<GuardedRequest<Request>, grpc::ByteBuffer>* AllocateMessages() override {
    return new Messages(budget_);
  }

 private:
  // Of one call, which releases it.
  class Messages final : public grpc::MessageHolder<GuardedRequest<Request>, grpc::ByteBuffer>, public GuardedCall {
   public:
    explicit Messages(MemoryBudget* budget) {
      own_request_.budget = budget;
      this->set_request(&own_request_);
      this->set_response(&own_response_);
    }
    void Release() override { delete this; }
    int64_t wire_bytes() const override { return own_request_.wire_bytes; }
    absl::Status Read() override { return own_request_.Read(); }
    void Free() override { own_request_.Free(); }

   private:
    GuardedRequest<Request> own_request_;
    grpc::ByteBuffer own_response_;
  };

  MemoryBudget* const budget_;
};

template <typename Request>
absl::Status GuardedRequest<Request>::Read() {
  if (!unread.Valid()) return status;
  static const ParsedSize size(Request::descriptor());
  if (IsLargeRequest(wire_bytes)) status = TakeShare(size, unread, budget, share);
  if (status.ok() && !grpc::SerializationTraits<Request>::Deserialize(&unread, &message).ok()) {
    message.Clear();
    status = NotThatMessage();
  }
  unread.Clear();
  return status;
}

template <typename Request>
void GuardedRequest<Request>::Free() {
  if (!IsLargeRequest(wire_bytes)) return;
  unread.Clear();
  Request().Swap(&message);
  share = nullptr;
}

}  // namespace greenplan

namespace grpc {

// How gRPC reads a request. That it is bad is for the handler to answer: gRPC itself would answer UNIMPLEMENTED.
template <typename Request>
class SerializationTraits<greenplan::GuardedRequest<Request>, void> {
 public:
  static Status Deserialize(ByteBuffer* wire, greenplan::GuardedRequest<Request>* request) {
    request->wire_bytes = static_cast<int64_t>(wire->Length());
    request->unread.Swap(wire);
    if (!greenplan::IsLargeRequest(request->wire_bytes)) request->Read().IgnoreError();
    return Status::OK;
  }
};

}  // namespace grpc

#endif  // GREENPLAN_PLANNER_SERVICE_GUARDED_REQUEST_H_
