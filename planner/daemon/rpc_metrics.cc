#include "planner/daemon/rpc_metrics.h"

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"

namespace greenplan {
namespace {

constexpr absl::string_view kService = "/greenplan.v1.PlannerService/";

// One per call.
class RpcTimer : public grpc::experimental::Interceptor {
 public:
  RpcTimer(Metrics* metrics, absl::string_view method) : metrics_(*metrics), method_(method) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(grpc::experimental::InterceptionHookPoints::PRE_SEND_STATUS)) {
      const auto code = static_cast<absl::StatusCode>(methods->GetSendStatus().error_code());
      metrics_.RecordRpc(method_, absl::StatusCodeToString(code), absl::Now() - start_);
    }
    methods->Proceed();
  }

 private:
  Metrics& metrics_;
  const absl::string_view method_;  // Of the service's registered name, which outlives the call.
  const absl::Time start_ = absl::Now();
};

class RpcMetrics : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit RpcMetrics(Metrics* metrics) : metrics_(metrics) {}

  // Null, which is none, for other services: a health watch lasts as long as its client.
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* call) override {
    absl::string_view method = call->method();
    if (!absl::ConsumePrefix(&method, kService)) return nullptr;
    return new RpcTimer(metrics_, method);
  }

 private:
  Metrics* const metrics_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NewRpcMetrics(Metrics* metrics) {
  return std::make_unique<RpcMetrics>(metrics);
}

}  // namespace greenplan
