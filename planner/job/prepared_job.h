#ifndef GREENPLAN_PLANNER_JOB_PREPARED_JOB_H_
#define GREENPLAN_PLANNER_JOB_PREPARED_JOB_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/job.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "planner/core/plan.h"
#include "planner/job/planning.h"
#include "planner/job/prepared_profile.h"

namespace greenplan {

// Returns the job that a CreateJob request asks for: what the client chose, with every output-only field set anew.
v1::Job NewJob(const v1::Job& request, absl::Time create_time);

// Returns the next revision of `job`. What `request`, of an UpdateJob call, holds of profile, options and
// quorum_timeout replaces the job's. Returns nullopt if that changes nothing. InvalidArgument if the request has a
// world_size other than the job's, or none of the three. PreparedJob::Create checks what this returns.
absl::StatusOr<std::optional<v1::Job>> NextRevision(const v1::Job& job, const v1::Job& request, absl::Time update_time);

// Returns whether two jobs are the same apart from output-only fields.
bool SameContent(const v1::Job& a, const v1::Job& b);

// Returns whether two reports are the same, bit for bit. Two NaNs of the same bits are.
bool SameReport(const v1::ImportanceReport& a, const v1::ImportanceReport& b);

// The errors of whoever keeps jobs and rounds. This one is AlreadyExists: the name belongs to a job of other content.
absl::Status JobIsTaken(const std::string& job_name);
// AlreadyExists: the report's rank has sent a different one for its round.
absl::Status ReportIsTaken(const std::string& job_name, const v1::ImportanceReport& report);
// NotFound: there is no such job, plan or revision.
absl::Status DoesNotExist(const std::string& resource_name);

// A job that rounds can be planned for: the rules of one job, whoever keeps its rounds. The daemon's engine and the
// local connection plan through it, so they answer the same bytes.
//
//   auto job = PreparedJob::Create(NewJob(request, absl::Now()));
//   absl::StatusOr<Measurements> measurements = (*job)->ReadReport(report);
//   absl::StatusOr<v1::Plan> plan = (*job)->PlanRound(report.round(), *measurements, previous_plan, limits);
//
// Profile and options are read once, at Create; a report is read once, at ReadReport.
// Thread-safety: const methods may be called from many threads at once. Owns everything it needs.
class PreparedJob {
 public:
  // Reads and checks a job. InvalidArgument if its name, world_size, profile, options or quorum_timeout are malformed.
  // REQUIRES: the output-only fields are set, as NewJob sets them.
  static absl::StatusOr<std::shared_ptr<const PreparedJob>> Create(v1::Job job);

  // Checks whether a plan can be made at all for the job's profile and options, whatever the ranks measure. A job that
  // is created or updated must pass, because ranks would report for its rounds in vain; one that is kept already need
  // not. The errors are those of PlanRound that do not depend on a report: InvalidArgument, such as for pins that alone
  // exceed the budget, Unimplemented, ResourceExhausted.
  absl::Status CheckOptions() const;

  const v1::Job& job() const { return job_; }
  const PreparedProfile& profile() const { return *profile_; }
  // Returns how long a round waits for more reports after its first one, or `otherwise` if the job leaves that to the
  // daemon.
  absl::Duration QuorumTimeout(absl::Duration otherwise) const;

  // Returns the report in core's terms. Fields are named as in PlanRoundRequest, below "report.". InvalidArgument if it
  // is malformed; FailedPrecondition if it was measured on another profile.
  absl::StatusOr<Measurements> ReadReport(const v1::ImportanceReport& report) const;

  // Checks whether a plan can be made for the mean of several ranks' reports. InvalidArgument if the sums that planning
  // forms of the mean overflow, although those of each report do not.
  absl::Status ValidateAverage(const Measurements& average) const;

  // Returns the plan of `round`, with its name. `previous_plan`, which options.churn_threshold may keep in force, may
  // be null; a plan of another profile counts as none.
  //
  // The errors of MakePlan (planning.h) with AtDeadline::kFail: the plan is made to be kept, so it must depend only on
  // the request, or on options.time_limit. InvalidArgument also if previous_plan is malformed. REQUIRES: `measurements`
  // is what ReadReport returned, or an average that ValidateAverage accepted.
  absl::StatusOr<v1::Plan> PlanRound(int64_t round, const Measurements& measurements, const v1::Plan* previous_plan,
                                     const CallLimits& limits) const;

  // Remembers that planning a round took so much processor time.
  void RecordPlanning(absl::Duration processor_time) const;
  // Returns how much planning the next round may take: the most that was recorded, of which every later record takes an
  // eighth off. Infinite until something is recorded.
  absl::Duration ExpectedPlanning() const;

  // Returns about how many bytes this takes, including what its plans have built for later ones. It grows with the
  // first plan of a method. O(1).
  size_t MemoryBytes() const;

 private:
  PreparedJob(v1::Job job, std::shared_ptr<const PreparedProfile> profile, PlanOptions options)
      : job_(std::move(job)),
        job_bytes_(job_.SpaceUsedLong()),
        profile_(std::move(profile)),
        options_(std::move(options)) {}

  const v1::Job job_;
  const size_t job_bytes_;  // Of job_, which does not change.
  const std::shared_ptr<const PreparedProfile> profile_;
  const PlanOptions options_;
  mutable absl::Mutex mutex_;
  mutable absl::Duration expected_planning_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_JOB_PREPARED_JOB_H_
