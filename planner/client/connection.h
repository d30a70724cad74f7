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
// Every call blocks until it is answered. Errors are those listed with each RPC in planner_service.proto, and
// Unavailable once the retries within the call's timeout are used up. Thread-safety: safe.
class Connection {
 public:
  virtual ~Connection() = default;

  // Creates the job, or finds the one that an earlier call with the same content created. Returns the job as the
  // planner keeps it, with its profile_revision and profile_digest. AlreadyExists if the name belongs to a job of other
  // content.
  virtual absl::StatusOr<v1::Job> CreateJob(const v1::Job& job) = 0;
  // Hands in this rank's report for report.round and waits for the round's plan, which is the same for all ranks.
  // Repeating the call with the same report returns the same plan.
  virtual absl::StatusOr<v1::Plan> PlanRound(const std::string& job_name, const v1::ImportanceReport& report) = 0;
  // Returns the plan "jobs/{job}/plans/{round}". NotFound if that round has no plan.
  virtual absl::StatusOr<v1::Plan> GetPlan(const std::string& plan_name) = 0;
  // Reports what came of the plan of outcome.round on the rank outcome.rank. Repeating the call with the same outcome
  // changes nothing. FailedPrecondition if the round has no plan.
  virtual absl::Status ReportOutcome(const std::string& job_name, const v1::Outcome& outcome) = 0;
  // Hands back the plan that was in force when a run stopped, before the run goes on. A planner that keeps plans in
  // this process alone then weighs its next plan against this one (PlanOptions.churn_threshold), as if the run had not
  // stopped. A daemon has kept the plan itself, so the default does nothing. InvalidArgument if the plan is malformed.
  virtual absl::Status RestorePlan(const std::string& /*job_name*/, const v1::Plan& /*plan*/) {
    return absl::OkStatus();
  }
};

// Which planner to use and how to reach it.
struct ConnectOptions {
  // "local" for the solver in this process, or HOST:PORT[,HOST:PORT...] for the replicas of one daemon.
  std::string planner = "local";

  // How long one call may take, retries included.
  absl::Duration timeout = absl::Seconds(20);

  // TLS and token. Not used by "local".
  ServerSecurity security = {};
};

// Makes a connection without waiting for the daemon, so a planner that is away shows at the first call. InvalidArgument
// if options.planner is neither "local" nor a list of HOST:PORT, or if a file of options.security is at fault
// (server_security.h); FieldOf then names "planner" or the flag.
absl::StatusOr<std::unique_ptr<Connection>> Connect(const ConnectOptions& options);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLIENT_CONNECTION_H_
