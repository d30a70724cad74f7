#ifndef GREENPLAN_PLANNER_DAEMON_SERVER_H_
#define GREENPLAN_PLANNER_DAEMON_SERVER_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "planner/daemon/health_service.h"
#include "planner/metrics/metrics.h"
#include "planner/security/access.h"
#include "planner/security/audit.h"
#include "planner/service/job_engine.h"
#include "planner/service/rpc_handlers.h"

namespace greenplan {

// The planner service on a port, with grpc.health.v1 and reflection.
//
//   auto server = GrpcServer::Start({.listen = "127.0.0.1:7437"}, &engine);
//   ... until a signal ...
//   (*server)->Drain(absl::Seconds(10));
//
// Plans are made on the calls' own threads (gRPC's synchronous interface), at most `max_threads` of them: a call beyond
// answers RESOURCE_EXHAUSTED. So does a request of more than kMaxRequestBytes (planner/rpc/limits.h).
// Thread-safety: Drain is called once; it may run while calls are served.
class GrpcServer {
 public:
  struct Options {
    std::string listen;  // "HOST:PORT"; port 0 takes a free one.
    // Null: plain text.
    std::shared_ptr<grpc::ServerCredentials> credentials = nullptr;
    const Access* access = nullptr;     // Who may call; must outlive the server. Null: everybody.
    AuditLog audit = nullptr;           // Gets the calls that IsAudited names.
    Metrics* metrics = nullptr;         // Records the calls; must outlive the server. Null: nobody does.
    bool reflection = true;             // Serves the descriptors of the services.
    bool channelz = false;              // Serves gRPC's own state.
    int max_threads = 128;              // Calls at a time, and what serves the connections.
    size_t max_memory_bytes = 1 << 30;  // Of messages in transfer, over all connections.
  };
  // `engine` must outlive the server. Unavailable: `listen` is taken, or is no address of this machine.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(const Options& options, JobEngine* engine);
  // Drains without patience if Drain was not called.
  ~GrpcServer();

  int port() const { return port_; }

  // Reports NOT_SERVING, ends health watches, refuses new calls, and waits for those in progress. After `patience` they
  // end with UNAVAILABLE.
  void Drain(absl::Duration patience);

 private:
  GrpcServer(JobEngine* engine, const Access* access, AuditLog audit) : handlers_(engine, access, std::move(audit)) {}

  RpcHandlers handlers_;
  HealthService health_{{v1::PlannerService::service_full_name()}};
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_SERVER_H_
