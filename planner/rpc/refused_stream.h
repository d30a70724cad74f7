#ifndef GREENPLAN_PLANNER_RPC_REFUSED_STREAM_H_
#define GREENPLAN_PLANNER_RPC_REFUSED_STREAM_H_

#include "absl/status/status.h"
#include "grpcpp/support/server_callback.h"
#include "planner/rpc/grpc_status.h"

namespace greenplan {

// A stream that ends with an error before it has sent anything. A handler returns it, allocated by new; it deletes
// itself once gRPC has done with it.
//
//   if (!status.ok()) return new RefusedStream<v1::Plan>(status);
template <typename Response>
class RefusedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  // REQUIRES: `status` is not OK.
  explicit RefusedStream(const absl::Status& status) { this->Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_RPC_REFUSED_STREAM_H_
