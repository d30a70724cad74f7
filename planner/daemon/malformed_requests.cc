#include "planner/daemon/malformed_requests.h"

#include "absl/status/status.h"
#include "planner/rpc/grpc_status.h"

namespace greenplan {
namespace {

using grpc::experimental::InterceptionHookPoints;

class MalformedRequestAnswer : public grpc::experimental::Interceptor {
 public:
  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      const grpc::Status status = methods->GetSendStatus();
      if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED && status.error_message().empty()) {
        methods->ModifySendStatus(
            ToGrpcStatus(absl::InvalidArgumentError("the request is no message of the type that this RPC takes")));
      }
    }
    methods->Proceed();
  }
};

class MalformedRequestAnswers : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // To gRPC, a call of an RPC that nobody serves is a stream in both directions; those it rightly refuses.
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* call) override {
    if (call->type() == grpc::experimental::ServerRpcInfo::Type::BIDI_STREAMING) return nullptr;
    return new MalformedRequestAnswer();
  }
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NewMalformedRequestAnswers() {
  return std::make_unique<MalformedRequestAnswers>();
}

}  // namespace greenplan
