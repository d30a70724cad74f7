#ifndef GREENPLAN_PLANNER_STORE_STORE_H_
#define GREENPLAN_PLANNER_STORE_STORE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/job.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "planner/store/change_feed.h"

namespace greenplan {

// Which job a client means. Two tenants may use the same name for two jobs.
struct JobKey {
  // Empty if the daemon has no tokens: then all callers are one tenant.
  std::string tenant;

  // "jobs/{job}"
  std::string name;

  friend bool operator==(const JobKey& a, const JobKey& b) { return a.tenant == b.tenant && a.name == b.name; }
  template <typename H>
  friend H AbslHashValue(H h, const JobKey& key) {
    return H::combine(std::move(h), key.tenant, key.name);
  }
};

// A list of messages ends early once they take so many bytes.
inline constexpr int64_t kMaxListBytes = int64_t{4} << 20;

// A job as it is kept. `id` belongs to this creation of the job: a job that is deleted and created again under the same
// name gets another id, so what refers to an id never means a later job by mistake.
struct KeptJob {
  int64_t id = 0;  // > 0, drawn at random by whoever creates the job.
  v1::Job job;     // profile_revision is the revision.
};

// What a planner that keeps jobs in memory asks for to learn whether its copy is current.
struct JobHead {
  int64_t id = 0;
  int64_t revision = 0;  // The latest one.
};

// How a round is opened by its first report.
struct RoundOpening {
  int64_t revision = 0;  // Of the job; the round keeps it.
  absl::Time open_time;
  absl::Time deadline;  // When the round stops waiting for more reports.
};

// A round as it is kept: opened by its first report, and then planned once.
struct KeptRound {
  int64_t job_id = 0;
  int64_t round = 0;
  int64_t revision = 0;
  absl::Time open_time;  // Times are kept to the nanosecond.
  absl::Time deadline;
  int64_t num_reports = 0;  // Of different ranks.
  bool is_planned = false;
};

// What came of AddReport.
struct ReportResult {
  KeptRound round;  // As it is after the call.
  // What this rank had reported for this round before; nothing was added then. Otherwise the report was added, unless
  // round.revision differs from the revision that was asked for.
  std::optional<v1::ImportanceReport> earlier;
};

// A plan to be kept, and what it rests on.
struct NewPlan {
  v1::Plan plan;
  // Ranks, in increasing order, whose reports the plan does not rest on, because they came too late or never.
  std::vector<int32_t> missing_ranks;
  // A report to be added in the same step, for a job of one rank: its round is then one commit.
  std::optional<v1::ImportanceReport> report;
  RoundOpening opening;  // Used if `report` opens the round.
};

// A plan as it is kept.
struct KeptPlan {
  v1::Plan plan;
  std::vector<int32_t> missing_ranks;
};

// What a tenant's jobs take in the store.
struct TenantUsage {
  int64_t num_jobs = 0;

  // Bytes of the jobs' messages in all revisions. Reports and plans are not counted.
  int64_t num_bytes = 0;
};

// What outlives the planner: jobs with their revisions, and the reports, the plan and the outcomes of each round.
// Several planners may share one store. What must happen once is decided by the store: one job per key, one report and
// one outcome per rank and round, one plan per round.
//
// Every change is atomic, and durable before the call returns: once it is OK, neither kill -9 nor a power failure
// undoes it (a driver whose medium cannot promise that says so). Reports, plans, outcomes and revisions are never
// changed, only deleted. Messages are kept whole, so they are answered byte for byte as they were put. Data is not
// validated here: whoever puts it has done so.
//
// ListJobs, ListReports, ListPlans and ListOutcomes answer as many messages as were asked for, or fewer: those that are
// left, or those that take kMaxListBytes together with the last one. Only an answer of none says that none are left.
//
// NotFound also stands for a job id that does not exist (any more). Besides the errors below, every method may answer
// Unavailable (the medium cannot be reached now), ResourceExhausted (it is full), DataLoss (what it holds is damaged)
// or Internal, each naming the medium, such as the file's path. After Unavailable, a change may have been made
// nevertheless; all of them can be tried again.
// Thread-safety: safe. Calls block their thread until the medium has answered. Drivers lie in folders of their own, and
// each passes testing/store_conformance.h.
//
// A job's life, without errors:
//
//   store->CreateJob({tenant, "jobs/a"}, {.id = id, .job = job});
//   absl::StatusOr<ReportResult> result = store->AddReport(id, report, {.revision = 1, .open_time = now, ...});
//   if (result->round.num_reports == job.world_size()) store->PutPlan(id, {.plan = plan});
//   store->AddOutcome(id, outcome);
//   store->DeleteJob(id);
class Store {
 public:
  virtual ~Store() = default;

  // Jobs.

  // Keeps revision job.job.profile_revision, the first one. AlreadyExists if a job of this key is kept.
  // The job counts as used at job.create_time.
  virtual absl::Status CreateJob(const JobKey& key, const KeptJob& job) = 0;
  // Returns the job in its latest revision. NotFound if there is none.
  virtual absl::StatusOr<KeptJob> GetJob(const JobKey& key) = 0;
  // Returns the job's id and its latest revision without reading its profile. NotFound if there is none.
  virtual absl::StatusOr<JobHead> GetJobHead(const JobKey& key) = 0;
  // Returns a revision of the job. NotFound if there is none.
  virtual absl::StatusOr<v1::Job> GetJobRevision(int64_t job_id, int64_t revision) = 0;
  // Returns how many bytes GetSerializedJob answers, about, without reading them. NotFound if there is no such
  // revision.
  virtual absl::StatusOr<int64_t> GetJobSize(int64_t job_id, int64_t revision) = 0;
  // Returns what GetJobRevision does, serialized, without the time and memory that parsing takes. The order of the
  // fields need not be protobuf's own.
  virtual absl::StatusOr<std::string> GetSerializedJob(int64_t job_id, int64_t revision) = 0;
  // Keeps a further revision of the job, which is now the latest; the earlier ones stay. NotFound. AlreadyExists unless
  // job.profile_revision is the latest revision plus 1: another call was quicker.
  virtual absl::Status UpdateJob(int64_t job_id, const v1::Job& job) = 0;
  // Returns the first `limit` jobs of the tenant after `after_name`, in the order of their names' bytes, in their
  // latest revisions and without their profiles.
  virtual absl::StatusOr<std::vector<v1::Job>> ListJobs(const std::string& tenant, const std::string& after_name,
                                                        int limit) = 0;
  // Deletes the job and everything that belongs to it. NotFound if there is none.
  virtual absl::Status DeleteJob(int64_t job_id) = 0;
  // Returns what the tenant's jobs take now.
  virtual absl::StatusOr<TenantUsage> GetUsage(const std::string& tenant) = 0;

  // Rounds and reports.

  // Accepts the report of report.rank for report.round, and opens the round if this is its first report. The result
  // says whether it was added. If the round is open with another revision than opening.revision, nothing is added: read
  // the report against that revision and call again. Reports of a round that is planned already are added too. Of
  // several calls that race, each sees a different num_reports, so exactly one learns that the round is complete.
  // NotFound if the job does not exist.
  virtual absl::StatusOr<ReportResult> AddReport(int64_t job_id, const v1::ImportanceReport& report,
                                                 const RoundOpening& opening) = 0;
  // Returns the round. NotFound if nobody has reported for it.
  virtual absl::StatusOr<KeptRound> GetRound(int64_t job_id, int64_t round) = 0;
  // The first `limit` reports of the round by rank, after `after_rank` (-1: from the first). None if there is no such
  // round or job.
  virtual absl::StatusOr<std::vector<v1::ImportanceReport>> ListReports(int64_t job_id, int64_t round,
                                                                        int32_t after_rank, int limit) = 0;
  // The first `limit` rounds without a plan, of all jobs, by deadline (then job id and round), whose deadline is not
  // after `until`.
  virtual absl::StatusOr<std::vector<KeptRound>> ListOpenRounds(absl::Time until, int limit) = 0;

  // Plans.

  // Keeps the plan of plan.plan.round, and plan.report if there is one: both or, if not OK, neither. The round need not
  // have been opened; if plan.report opens it, the round gets plan.opening.
  // AlreadyExists if the round has a plan, or the rank of plan.report a report. NotFound if the job does not exist.
  virtual absl::Status PutPlan(int64_t job_id, const NewPlan& plan) = 0;
  // Returns the plan of a round. NotFound if it has none.
  virtual absl::StatusOr<KeptPlan> GetPlan(int64_t job_id, int64_t round) = 0;
  // Returns the plan of the latest planned round. NotFound if there is none.
  virtual absl::StatusOr<KeptPlan> GetLatestPlan(int64_t job_id) = 0;
  // The first `limit` plans of the job by round, from `start_round` on; none if the job does not exist.
  virtual absl::StatusOr<std::vector<v1::Plan>> ListPlans(int64_t job_id, int64_t start_round, int limit) = 0;

  // Outcomes.

  // Keeps the outcome of outcome.rank and outcome.round. Answers what that rank had reported for that round before, if
  // anything; nothing is changed then. NotFound if the job does not exist.
  virtual absl::StatusOr<std::optional<v1::Outcome>> AddOutcome(int64_t job_id, const v1::Outcome& outcome) = 0;
  // The first `limit` outcomes of the job by round, then rank, after (`after_round`, `after_rank`); (-1, -1): from the
  // first. None if the job does not exist.
  virtual absl::StatusOr<std::vector<v1::Outcome>> ListOutcomes(int64_t job_id, int64_t after_round, int32_t after_rank,
                                                                int limit) = 0;

  // Retention.

  // The first `limit` jobs, by id, that were last used before `time`. A job is used by CreateJob, UpdateJob (at the
  // job's update_time) and the opening of a round (at its open_time).
  virtual absl::StatusOr<std::vector<int64_t>> ListIdleJobs(absl::Time time, int limit) = 0;
  // Does what DeleteJob does if the job was last used before `time`. NotFound if it was used since, or is gone.
  virtual absl::Status DeleteIdleJob(int64_t job_id, absl::Time time) = 0;
  // Deletes the reports of the job's planned rounds below `round`; their plans and outcomes stay. OK if there are none.
  // Many reports are deleted in several steps, between which other calls have their turn. After an error some may be
  // gone.
  virtual absl::Status DeleteReports(int64_t job_id, int64_t round) = 0;

  // Other planners.

  // Calls `listener` from now on, until the subscription is destroyed, soon after a plan was kept or a job deleted by
  // anyone who shares the store, the caller included. The listener runs on a thread of the driver or of the call that
  // made the change: it must not block and must not call the store. A change may be told more than once, and not told
  // at all after Change::Kind::kAny, which means that any may have happened.
  virtual std::unique_ptr<Subscription> Subscribe(ChangeListener listener) = 0;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_STORE_H_
