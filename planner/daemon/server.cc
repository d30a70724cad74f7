#include "planner/daemon/server.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/ext/channelz_service_plugin.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "planner/admission/listening_port.h"
#include "planner/daemon/malformed_requests.h"
#include "planner/daemon/rpc_log.h"
#include "planner/daemon/rpc_metrics.h"
#include "planner/rpc/limits.h"

namespace greenplan {
namespace {

// For gRPC's own channelz, which takes a thread per call.
constexpr int kMaxSyncThreads = 16;

// A switch of the process, to be set before the first server is built.
void EnableChannelz() {
  static const bool enabled = [] {
    grpc::channelz::experimental::InitChannelzService();
    return true;
  }();
  (void)enabled;
}

// The full names of what the server serves.
std::vector<std::string> ServicesOf(const GrpcServer::Options& options) {
  std::vector<std::string> services = {v1::PlannerService::service_full_name(),
                                       grpc::health::v1::Health::service_full_name(),
                                       grpc::reflection::v1alpha::ServerReflection::service_full_name()};
  if (options.channelz) services.push_back("grpc.channelz.v1.Channelz");
  return services;
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(const Options& options, JobEngine* engine) {
  absl::StatusOr<ListeningPort> port = ListeningPort::Open(options.listen);
  if (!port.ok()) return absl::Status(port.status().code(), absl::StrCat("--listen ", port.status().message()));
  if (options.channelz) EnableChannelz();
  auto server = absl::WrapUnique(new GrpcServer(engine, options.calls));
  grpc::ResourceQuota quota("planner");
  quota.SetMaxThreads(kMaxSyncThreads).Resize(options.max_memory_bytes);
  grpc::ServerBuilder builder;
  builder.SetResourceQuota(quota);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  // gRPC 1.51 expands a compressed request as a whole before it looks at its size: a megabyte would become a gigabyte.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  // A client may ask every 10 s, also during a call that waits for other ranks, whether this machine is still there.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10000);
  server->connections_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      options.credentials == nullptr ? grpc::InsecureServerCredentials() : options.credentials);
  builder.RegisterService(&server->handlers_);
  builder.RegisterService(&server->health_);
  if (options.reflection) {
    server->reflection_ = std::make_unique<ReflectionService>(ServicesOf(options));
    builder.RegisterService(server->reflection_.get());
  }
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(NewMalformedRequestAnswers());
  interceptors.push_back(NewRpcLog());
  if (options.metrics != nullptr) interceptors.push_back(NewRpcMetrics(options.metrics));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr) return absl::InternalError("gRPC cannot start a server; its log says why");
  server->port_ = port->port();
  absl::MutexLock lock(&server->mutex_);
  server->acceptor_ = std::make_unique<ConnectionAcceptor>(
      *std::move(port), options.connections, [connections = server->connections_.get()](int listener, int connection) {
        grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
        parameters.listener_fd = listener;
        parameters.fd = connection;
        connections->HandleNewConnection(&parameters);
      });
  return server;
}

int64_t GrpcServer::CountConnections() const {
  absl::MutexLock lock(&mutex_);
  return acceptor_ == nullptr ? 0 : acceptor_->CountConnections();
}

GrpcServer::~GrpcServer() { Drain(absl::ZeroDuration()); }

void GrpcServer::Drain(absl::Duration patience) {
  if (server_ == nullptr) return;
  AnnounceDrain();
  if (reflection_ != nullptr) reflection_->Drain();
  handlers_.Drain();
  {
    absl::MutexLock lock(&mutex_);
    acceptor_.reset();
  }
  server_->Shutdown(absl::ToChronoTime(absl::Now() + patience));
  server_->Wait();
  server_.reset();
}

}  // namespace greenplan
