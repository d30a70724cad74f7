#include "planner/daemon/server.h"

#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/ext/channelz_service_plugin.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "planner/daemon/rpc_log.h"
#include "planner/daemon/rpc_metrics.h"
#include "planner/rpc/limits.h"

namespace greenplan {
namespace {

// Both are switches of the process, to be set before the first server is built.
void EnableReflection() {
  static const bool enabled = [] {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  (void)enabled;
}

void EnableChannelz() {
  static const bool enabled = [] {
    grpc::channelz::experimental::InitChannelzService();
    return true;
  }();
  (void)enabled;
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(const Options& options, JobEngine* engine) {
  if (options.reflection) EnableReflection();
  if (options.channelz) EnableChannelz();
  auto server = absl::WrapUnique(new GrpcServer(engine, options.access, options.audit));
  grpc::ResourceQuota quota("planner");
  quota.SetMaxThreads(options.max_threads).Resize(options.max_memory_bytes);
  grpc::ServerBuilder builder;
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // A second daemon on this port is a mistake.
  // A client may ask every 10 s, also during a call that waits for other ranks, whether this machine is still there.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10000);
  builder.AddListeningPort(options.listen,
                           options.credentials == nullptr ? grpc::InsecureServerCredentials() : options.credentials,
                           &server->port_);
  builder.RegisterService(&server->handlers_);
  builder.RegisterService(&server->health_);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(NewRpcLog());
  if (options.metrics != nullptr) interceptors.push_back(NewRpcMetrics(options.metrics));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || server->port_ == 0) {
    return absl::UnavailableError(absl::StrCat(
        "--listen ", options.listen, " cannot be listened on: the port is taken, or it is no address of this machine"));
  }
  return server;
}

GrpcServer::~GrpcServer() { Drain(absl::ZeroDuration()); }

void GrpcServer::Drain(absl::Duration patience) {
  if (server_ == nullptr) return;
  health_.Drain();
  server_->Shutdown(absl::ToChronoTime(absl::Now() + patience));
  server_->Wait();
  server_.reset();
}

}  // namespace greenplan
