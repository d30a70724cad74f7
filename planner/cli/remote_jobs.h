#ifndef GREENPLAN_PLANNER_CLI_REMOTE_JOBS_H_
#define GREENPLAN_PLANNER_CLI_REMOTE_JOBS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "greenplan/v1/job.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "greenplan/v1/planner_service.pb.h"
#include "planner/client/planner_channel.h"
#include "planner/client/server_flags.h"
#include "planner/core/plan.h"
#include "planner/job/prepared_profile.h"

namespace greenplan {

// A job as a daemon keeps it, at one revision.
struct RemoteJob {
  v1::Job job;
  std::shared_ptr<const PreparedProfile> profile;  // The job's, checked.
};

// The plan of a round, and the job at the revision that the plan was made for.
struct RemotePlan {
  RemoteJob job;
  v1::Plan message;
  Plan plan;  // The message, checked.
};

// What a daemon answers to WhatIf about a job, checked.
struct RemoteCurve {
  // The job at the revision that the plans were made for.
  RemoteJob job;

  // One plan for each budget of the request.
  std::vector<Plan> plans;

  // What the plans rest on.
  Measurements measurements;
};

// The jobs of a daemon, as commands show them. What comes from the daemon is checked like a file, so that a daemon of
// another version, or something else on that port, leads to an error and not to a wrong table.
//
// Every function calls the daemon and blocks until it answers. Errors are the daemon's, or Internal if its answer is
// not what it should be. A job is named "jobs/{job}", see JobNameOf. Not thread-safe.
class RemoteJobs {
 public:
  // Connects to the daemon that the flags name. The errors of ServerFlags::Open.
  static absl::StatusOr<RemoteJobs> Open(const ServerFlags& flags);
  explicit RemoteJobs(std::unique_ptr<PlannerChannel> channel) : channel_(std::move(channel)) {}

  // Returns all jobs of the caller's tenant, without their profiles. It reads page after page.
  absl::StatusOr<std::vector<v1::Job>> List();
  // Returns the job at its latest revision, or at `revision` if that is not 0. NotFound if there is none.
  absl::StatusOr<RemoteJob> Get(const std::string& job_name, int64_t revision = 0);
  // Deletes the job with everything kept for it. NotFound if there is none.
  absl::Status Delete(const std::string& job_name);

  // Returns all plans of a job, by rising round.
  absl::StatusOr<std::vector<v1::Plan>> ListPlans(const std::string& job_name);
  // Returns the plan of one round, with the job at the revision that the plan was made for.
  absl::StatusOr<RemotePlan> GetPlan(const std::string& job_name, int64_t round);

  // Asks what each budget of the request would buy. REQUIRES: request.job is set, and there are budgets.
  absl::StatusOr<RemoteCurve> WhatIf(const v1::WhatIfRequest& request);
  // Returns what the plan of `round` rests on: the mean of the reports of the ranks that sent one.
  absl::StatusOr<v1::ImportanceReport> Importance(const std::string& job_name, int64_t round);

 private:
  absl::StatusOr<v1::WhatIfResponse> CallWhatIf(const v1::WhatIfRequest& request);

  std::unique_ptr<PlannerChannel> channel_;
};

// Returns "jobs/{job}" for what a user names a job by, which is {job} or the whole name. InvalidArgument, naming `what`
// (such as JOB), if there can be no such job. Thread-safe.
absl::StatusOr<std::string> JobNameOf(const std::string& what, const std::string& job);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_REMOTE_JOBS_H_
