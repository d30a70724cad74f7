#ifndef GREENPLAN_PLANNER_DAEMON_HEALTH_SERVICE_H_
#define GREENPLAN_PLANNER_DAEMON_HEALTH_SERVICE_H_

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "planner/rpc/small_request.h"

namespace greenplan {

// grpc.health.v1 for a server that serves until it drains. gRPC's own implementation keeps a watch open for as long as
// its client likes, so that one watch holds up the shutdown of the whole server; this one ends its watches when told.
// Requests above 16 KiB are refused unread (small_request.h), because whoever reaches the port may ask.
//
//   HealthService health({"greenplan.v1.PlannerService"});
//   builder.RegisterService(&health);
//   ... until a signal ...
//   health.Drain();
//   server->Shutdown(deadline);
//
// Thread-safety: safe. Must outlive the server.
class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  // Reports the server as a whole, "", and each of `services` as SERVING. Other names are NOT_FOUND.
  explicit HealthService(const std::vector<std::string>& services);

  // Reports everything as NOT_SERVING from now on. Open watches are told so and then end with UNAVAILABLE.
  void Drain();

 private:
  using Request = SmallRequest<grpc::health::v1::HealthCheckRequest>;
  using Response = grpc::health::v1::HealthCheckResponse;
  class Watcher;

  // The two RPCs.
  grpc::ServerUnaryReactor* AnswerCheck(grpc::CallbackServerContext& context, const Request& request,
                                        Response& response);
  grpc::ServerWriteReactor<Response>* OpenWatch(const Request& request);

  bool IsKnown(const std::string& service) const { return services_.contains(service); }
  void Remove(const std::shared_ptr<Watcher>& watcher);

  const std::set<std::string> services_;
  absl::Mutex mutex_;
  bool is_draining_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<std::shared_ptr<Watcher>> watchers_ ABSL_GUARDED_BY(mutex_);  // Those whose call is not done.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_HEALTH_SERVICE_H_
