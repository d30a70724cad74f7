#include "planner/daemon/rpc_log.h"

#include <chrono>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "grpcpp/server_context.h"
#include "spdlog/spdlog.h"

namespace greenplan {
namespace {

spdlog::level::level_enum LevelOf(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::OK:
    case grpc::StatusCode::CANCELLED:  // As every health watch ends.
      return spdlog::level::debug;
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::DATA_LOSS:
    case grpc::StatusCode::UNKNOWN:
      return spdlog::level::err;
    default:
      return spdlog::level::info;
  }
}

// One per call.
class RpcLogger : public grpc::experimental::Interceptor {
 public:
  explicit RpcLogger(grpc::experimental::ServerRpcInfo* call) : call_(*call) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(grpc::experimental::InterceptionHookPoints::PRE_SEND_STATUS)) {
      Log(methods->GetSendStatus());
    }
    methods->Proceed();
  }

 private:
  void Log(const grpc::Status& status) const {
    const spdlog::level::level_enum level = LevelOf(status.error_code());
    if (!spdlog::should_log(level)) return;
    const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start_;
    spdlog::log(level, "{} from {}: {} in {:.1f} ms{}{}", call_.method(), call_.server_context()->peer(),
                absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code())), elapsed.count(),
                status.ok() ? "" : ": ", absl::Utf8SafeCEscape(status.error_message()));
  }

  grpc::experimental::ServerRpcInfo& call_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

class RpcLog : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* call) override {
    return new RpcLogger(call);
  }
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NewRpcLog() {
  return std::make_unique<RpcLog>();
}

}  // namespace greenplan
