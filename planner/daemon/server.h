#ifndef GREENPLAN_PLANNER_DAEMON_SERVER_H_
#define GREENPLAN_PLANNER_DAEMON_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "planner/admission/connection_acceptor.h"
#include "planner/daemon/health_service.h"
#include "planner/daemon/reflection_service.h"
#include "planner/metrics/metrics.h"
#include "planner/service/job_engine.h"
#include "planner/service/rpc_handlers.h"

namespace greenplan {

// The planner service on a port, with grpc.health.v1 and reflection.
//
//   auto server = GrpcServer::Start({.listen = "127.0.0.1:7437"}, &engine);
//   ... until a signal ...
//   (*server)->AnnounceDrain();
//   ... until clients have had the time to notice ...
//   (*server)->Drain(absl::Seconds(10));
//
// Calls hold no thread of gRPC (its callback interface): what blocks or takes long is done on the engine's queues. A
// request of more than kMaxRequestBytes (planner/rpc/limits.h) answers RESOURCE_EXHAUSTED, and one that is compressed
// UNIMPLEMENTED. While there are as many connections as there may be, further ones wait
// (planner/admission/connection_acceptor.h).
// Thread-safety: AnnounceDrain and Drain are each called at most once, in this order; calls may be served meanwhile.
class GrpcServer {
 public:
  // Where the server listens, whom it trusts, and how much it takes on.
  struct Options {
    // "HOST:PORT". Port 0 takes a free port.
    std::string listen;
    // Null: plain text.
    std::shared_ptr<grpc::ServerCredentials> credentials = nullptr;

    // Who may call, and what is audited.
    RpcHandlers::Options calls = {};

    // Records every call. Must outlive the server. May be null.
    Metrics* metrics = nullptr;

    // Whether the server serves the descriptors of its services.
    bool reflection = true;

    // Whether the server serves gRPC's own state.
    bool channelz = false;

    // Bytes of messages that may be in transfer over all connections together.
    size_t max_memory_bytes = 1 << 30;

    // How many connections may be open.
    ConnectionAcceptor::Options connections = {};
  };

  // Starts to serve and returns once calls are answered. `engine` must outlive the server. Unavailable if `listen` is
  // taken or is no address of this machine.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(const Options& options, JobEngine* engine);
  // Drains without waiting for calls in progress, unless Drain was called.
  ~GrpcServer();

  // Returns the port listened on, also where port 0 was asked for.
  int port() const { return port_; }
  // Returns how many connections of clients are open; 0 once the port is closed. O(connections). May be called at any
  // time.
  int64_t CountConnections() const;

  // Returns what the answers that their clients have not taken yet take, in bytes. May be called at any time.
  int64_t CountAnswerBytes() const { return handlers_.answer_bytes(); }

  // Reports NOT_SERVING to health checks and ends health watches. Calls are still served.
  void AnnounceDrain() { health_.Drain(); }

  // Announces the drain if that has not been done. Ends the calls that wait for other ranks or watch for plans with
  // UNAVAILABLE, refuses new calls and connections, and waits for the calls in progress. After `patience` these end
  // with UNAVAILABLE too.
  void Drain(absl::Duration patience);

 private:
  GrpcServer(JobEngine* engine, RpcHandlers::Options calls) : handlers_(engine, std::move(calls)) {}

  RpcHandlers handlers_;
  HealthService health_{{v1::PlannerService::service_full_name()}};
  std::unique_ptr<ReflectionService> reflection_;  // Null if the server does not describe itself.
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> connections_;  // Of server_.
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  mutable absl::Mutex mutex_;
  std::unique_ptr<ConnectionAcceptor> acceptor_ ABSL_GUARDED_BY(mutex_);  // Null once the port is closed.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_SERVER_H_
