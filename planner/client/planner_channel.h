#ifndef GREENPLAN_PLANNER_CLIENT_PLANNER_CHANNEL_H_
#define GREENPLAN_PLANNER_CLIENT_PLANNER_CHANNEL_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "planner/client/server_security.h"

namespace greenplan {

// Calls of greenplan.v1.PlannerService to one daemon or to several replicas of it.
//
//   auto channel = PlannerChannel::Create("a:7437,b:7437", {.tls_ca = "ca.pem", .token_file = "token"});
//   v1::Job job;
//   absl::Status status = (*channel)->Call("GetJob", request, job, absl::Seconds(20));
//
// Calls take turns over the addresses that are reachable and report SERVING; one that finds an address away goes to the
// next at once. The token is read anew for every attempt, and the TLS files after an attempt that found no connection,
// so both may be replaced while the program runs.
// Thread-safety: safe.
class PlannerChannel {
 public:
  // Reads the files of `security` and makes the channel; it does not wait for the daemon. `addresses` is
  // "HOST:PORT[,HOST:PORT...]", as IsServerList allows it. InvalidArgument for the errors of server_security.h, and if
  // a token would cross the network in clear text.
  static absl::StatusOr<std::unique_ptr<PlannerChannel>> Create(const std::string& addresses,
                                                                const ServerSecurity& security);
  virtual ~PlannerChannel() = default;

  // Calls `method`, such as "GetJob", and blocks until it is answered. A call that fails for now is tried again
  // (RetrySchedule) until `timeout` has passed; the error then names the addresses. Other errors are those of the
  // daemon, with its code, message and field.
  virtual absl::Status Call(absl::string_view method, const google::protobuf::Message& request,
                            google::protobuf::Message& response, absl::Duration timeout) = 0;
};

// Returns whether `addresses` is a list of HOST:PORT separated by commas, with each port from 1 to 65535. Thread-safe.
bool IsServerList(absl::string_view addresses);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLIENT_PLANNER_CHANNEL_H_
