#ifndef GREENPLAN_PLANNER_DAEMON_REFLECTION_SERVICE_H_
#define GREENPLAN_PLANNER_DAEMON_REFLECTION_SERVICE_H_

#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "planner/rpc/small_request.h"

namespace greenplan {

// grpc.reflection.v1alpha over the descriptors that the program is linked with. gRPC's own implementation reads
// whatever comes, and 16 MiB of fields that it does not know take a gigabyte; it also holds a thread for each stream,
// and a stream that its client leaves open holds up the shutdown of the whole server. This one refuses requests above
// 16 KiB unread (small_request.h), because whoever reaches the port may ask; it holds no thread and ends its streams
// when told.
//
//   ReflectionService reflection({"greenplan.v1.PlannerService", "grpc.health.v1.Health"});
//   builder.RegisterService(&reflection);
//   ... until a signal ...
//   reflection.Drain();
//   server->Shutdown(deadline);
//
// Thread-safety: safe. Must outlive the server.
class ReflectionService final : public grpc::reflection::v1alpha::ServerReflection::CallbackService {
 public:
  // `services` are the full names that it lists.
  explicit ReflectionService(std::vector<std::string> services);

  // Cancels the open streams, and from now on each new one.
  void Drain();

 private:
  class Stream;

  const std::vector<std::string> services_;
  absl::Mutex mutex_;
  bool is_draining_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<grpc::CallbackServerContext*> streams_ ABSL_GUARDED_BY(mutex_);  // Those whose call is not done.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_REFLECTION_SERVICE_H_
