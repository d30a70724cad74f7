#ifndef GREENPLAN_PLANNER_CLIENT_CONNECTION_H_
#define GREENPLAN_PLANNER_CLIENT_CONNECTION_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/job.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "planner/client/server_security.h"

namespace greenplan {

// How a training job reaches a planner: the daemon over gRPC, or the solver in this process. Mock it in tests.
//
//   auto connection = Connect({.planner = "planner-host:7437"});  // or "local"
//   absl::StatusOr<v1::Job> kept = (*connection)->CreateJob(job);
//   absl::StatusOr<v1::Plan> plan = (*connection)->PlanRound(job.name(), report);
//
// Thread-safety: safe. Errors are those listed with each RPC in planner_service.proto; Unavailable once the retries
// within the call's timeout are used up.
class Connection {
 public:
  virtual ~Connection() = default;

  // Idempotent. Returns the job as the planner keeps it, with its profile_revision and profile_digest.
  virtual absl::StatusOr<v1::Job> CreateJob(const v1::Job& job) = 0;
  virtual absl::StatusOr<v1::Plan> PlanRound(const std::string& job_name, const v1::ImportanceReport& report) = 0;
  virtual absl::StatusOr<v1::Plan> GetPlan(const std::string& plan_name) = 0;
  // Idempotent. What came of the plan of outcome.round on the rank outcome.rank.
  virtual absl::Status ReportOutcome(const std::string& job_name, const v1::Outcome& outcome) = 0;
};

struct ConnectOptions {
  std::string planner = "local";               // "local" or HOST:PORT[,HOST:PORT...], replicas of one daemon.
  absl::Duration timeout = absl::Seconds(20);  // Of one call, retries included.
  ServerSecurity security = {};                // TLS and token; not used by "local".
};

// InvalidArgument if options.planner is neither "local" nor a list of HOST:PORT, or about a file of options.security
// (server_security.h); FieldOf names "planner" or the flag. Does not wait for the daemon.
absl::StatusOr<std::unique_ptr<Connection>> Connect(const ConnectOptions& options);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLIENT_CONNECTION_H_
