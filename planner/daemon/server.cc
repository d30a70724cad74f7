#include "planner/daemon/server.h"

#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "planner/daemon/rpc_log.h"

namespace greenplan {
namespace {

// Both are switches of the process, to be set before the first server is built.
void EnableHealthAndReflection() {
  static const bool enabled = [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  (void)enabled;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PlannerServer>> PlannerServer::Start(const Options& options, PlannerEngine* engine) {
  EnableHealthAndReflection();
  auto server = absl::WrapUnique(new PlannerServer(engine));
  grpc::ResourceQuota quota("planner");
  quota.SetMaxThreads(options.max_threads).Resize(options.max_memory_bytes);
  grpc::ServerBuilder builder;
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // A second daemon on this port is a mistake.
  builder.AddListeningPort(options.listen, grpc::InsecureServerCredentials(), &server->port_);
  builder.RegisterService(&server->service_);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(NewRpcLog());
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || server->port_ == 0) {
    return absl::UnavailableError(absl::StrCat(
        "--listen ", options.listen, " cannot be listened on: the port is taken, or it is no address of this machine"));
  }
  // "" (the server as a whole) serves from the start; clients may also ask for the service by name.
  server->server_->GetHealthCheckService()->SetServingStatus(v1::PlannerService::service_full_name(), true);
  return server;
}

PlannerServer::~PlannerServer() { Drain(absl::ZeroDuration()); }

void PlannerServer::Drain(absl::Duration patience) {
  if (server_ == nullptr) return;
  server_->GetHealthCheckService()->SetServingStatus(false);
  server_->Shutdown(absl::ToChronoTime(absl::Now() + patience));
  server_->Wait();
  server_.reset();
}

}  // namespace greenplan
