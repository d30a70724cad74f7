#include "planner/client/grpc_connection.h"

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "greenplan/v1/planner_service.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"
#include "planner/client/retry_schedule.h"
#include "planner/rpc/grpc_status.h"
#include "planner/rpc/limits.h"

namespace greenplan {
namespace {

std::shared_ptr<grpc::Channel> CreateChannel(const std::string& host_and_port) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxResponseBytes);
  // A planner stands in the cluster; proxies of the environment lead out of it.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // An attempt to connect gets 2 s, so that an address that swallows packets is reported like one that refuses.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  return grpc::CreateCustomChannel("dns:///" + host_and_port, grpc::InsecureChannelCredentials(), arguments);
}

class GrpcConnection : public Connection {
 public:
  GrpcConnection(const std::string& host_and_port, absl::Duration timeout)
      : host_and_port_(host_and_port), timeout_(timeout), channel_(CreateChannel(host_and_port)) {}

  absl::StatusOr<v1::Job> CreateJob(const v1::Job& job) override {
    v1::CreateJobRequest request;
    *request.mutable_job() = job;
    return Call<v1::Job>("CreateJob", request);
  }

  absl::StatusOr<v1::Plan> PlanRound(const std::string& job_name, const v1::ImportanceReport& report) override {
    v1::PlanRoundRequest request;
    request.set_job(job_name);
    *request.mutable_report() = report;
    return Call<v1::Plan>("PlanRound", request);
  }

  absl::StatusOr<v1::Plan> GetPlan(const std::string& plan_name) override {
    v1::GetPlanRequest request;
    request.set_name(plan_name);
    return Call<v1::Plan>("GetPlan", request);
  }

 private:
  template <typename Response, typename Request>
  absl::StatusOr<Response> Call(const std::string& method, const Request& request) {
    const absl::Time deadline = absl::Now() + timeout_;
    for (RetrySchedule schedule;;) {
      Response response;
      const absl::Status status = Attempt(method, request, deadline, response);
      if (status.ok()) return response;
      const std::optional<absl::Duration> pause = schedule.PauseAfter(status);
      if (!pause.has_value()) return status;
      if (absl::Now() + *pause >= deadline) {
        const absl::string_view what = absl::IsUnavailable(status) ? " did not answer within " : " refused for ";
        return absl::Status(status.code(), absl::StrCat("planner ", host_and_port_, what,
                                                        absl::FormatDuration(timeout_), ": ", status.message()));
      }
      absl::SleepFor(*pause);
    }
  }

  // The generated stub would bring the generated service with it.
  template <typename Response, typename Request>
  absl::Status Attempt(const std::string& method, const Request& request, absl::Time deadline, Response& response) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(deadline));
    grpc::TemplatedGenericStub<Request, Response> stub(channel_);
    absl::Notification done;
    grpc::Status status;
    stub.UnaryCall(&context, "/greenplan.v1.PlannerService/" + method, /*options=*/{}, &request, &response,
                   [&](grpc::Status result) {
                     status = std::move(result);
                     done.Notify();
                   });
    done.WaitForNotification();
    // A call that waited for its connection all the time has not reached the planner.
    if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED &&
        channel_->GetState(/*try_to_connect=*/false) != GRPC_CHANNEL_READY) {
      return absl::UnavailableError("no connection");
    }
    return FromGrpcStatus(status);
  }

  const std::string host_and_port_;
  const absl::Duration timeout_;
  const std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace

std::unique_ptr<Connection> NewGrpcConnection(const std::string& host_and_port, absl::Duration timeout) {
  return std::make_unique<GrpcConnection>(host_and_port, timeout);
}

}  // namespace greenplan
