#ifndef GREENPLAN_PLANNER_DAEMON_REFLECTION_SERVICE_H_
#define GREENPLAN_PLANNER_DAEMON_REFLECTION_SERVICE_H_

#include <string>
#include <vector>

#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "planner/rpc/small_request.h"

namespace greenplan {

// grpc.reflection.v1alpha over the descriptors that the program is linked with. gRPC's own implementation reads
// whatever comes, and 16 MiB of fields that it does not know take a gigabyte; it also holds a thread for each stream.
// This one refuses requests above 16 KiB unread (small_request.h), because whoever reaches the port may ask, and holds
// none.
//
//   ReflectionService reflection({"greenplan.v1.PlannerService", "grpc.health.v1.Health"});
//   builder.RegisterService(&reflection);
//
// Thread-safety: safe. Must outlive the server.
class ReflectionService final : public grpc::reflection::v1alpha::ServerReflection::CallbackService {
 public:
  // `services` are the full names that it lists.
  explicit ReflectionService(std::vector<std::string> services);

 private:
  class Stream;

  const std::vector<std::string> services_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_REFLECTION_SERVICE_H_
