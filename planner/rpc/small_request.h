#ifndef GREENPLAN_PLANNER_RPC_SMALL_REQUEST_H_
#define GREENPLAN_PLANNER_RPC_SMALL_REQUEST_H_

#include <cstdint>

#include "absl/status/status.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/status.h"

namespace greenplan {

// The request of an RPC whose requests are small: a name and a number or two. A large one is refused without being
// read. Fields that a message does not know take up to 34 times as much in memory as on the wire, so
// that 16 MiB become 550.
//
// A handler that is made for this type, in place of the generated one, gets its requests this way. gRPC reads them by
// SerializationTraits, below.
//
//   MarkMethodCallback(index, new grpc::internal::CallbackServerStreamingHandler<SmallRequest<Request>, Response>(
//       [this](grpc::CallbackServerContext* context, const SmallRequest<Request>* request) {
//         return request->status.ok() ? Start(request->message) : Refuse(request->status);
//       }));
template <typename Request>
struct SmallRequest {
  Request message;      // Empty unless `status` is OK.
  absl::Status status;  // Of reading it: OK, InvalidArgument or ResourceExhausted.
};

// Returns ResourceExhausted if a request of so many bytes is not small: above 16 KiB.
absl::Status CheckIsSmall(int64_t wire_bytes);

// Returns the error InvalidArgument for bytes that are no message of the type that an RPC takes.
absl::Status NotThatMessage();

}  // namespace greenplan

namespace grpc {

// That a request is bad is for the handler to answer: gRPC itself would answer UNIMPLEMENTED.
template <typename Request>
class SerializationTraits<greenplan::SmallRequest<Request>, void> {
 public:
  static Status Deserialize(ByteBuffer* wire, greenplan::SmallRequest<Request>* request) {
    request->status = greenplan::CheckIsSmall(static_cast<int64_t>(wire->Length()));
    if (request->status.ok() && !SerializationTraits<Request>::Deserialize(wire, &request->message).ok()) {
      request->message.Clear();
      request->status = greenplan::NotThatMessage();
    }
    wire->Clear();  // Whoever calls this only lets go of it.
    return Status::OK;
  }
};

}  // namespace grpc

#endif  // GREENPLAN_PLANNER_RPC_SMALL_REQUEST_H_
