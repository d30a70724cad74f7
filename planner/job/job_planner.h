#ifndef GREENPLAN_PLANNER_JOB_JOB_PLANNER_H_
#define GREENPLAN_PLANNER_JOB_JOB_PLANNER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/job.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "planner/convert/round_planner.h"
#include "planner/core/plan.h"

namespace greenplan {

// The job that a CreateJob request asks for: what the client chose, with every output-only field set anew.
v1::Job NewJob(const v1::Job& request, absl::Time create_time);

// Whether two jobs are the same but for output-only fields.
bool SameContent(const v1::Job& a, const v1::Job& b);

// Whether two reports are the same, bit for bit (two NaNs of the same bits are).
bool SameReport(const v1::ImportanceReport& a, const v1::ImportanceReport& b);

// The errors that whoever keeps jobs and rounds answers. AlreadyExists, NotFound.
absl::Status JobIsTaken(const std::string& job_name);
absl::Status ReportIsTaken(const std::string& job_name, const v1::ImportanceReport& report);
absl::Status DoesNotExist(const std::string& resource_name);

// The rules of one job, whoever keeps its rounds: what is a valid job, what is a valid report for it, and the plan that
// follows. The daemon's engine and the local connection plan through it, so they answer the same bytes.
//
//   auto planner = JobPlanner::Create(NewJob(request, absl::Now()));
//   absl::Status status = (*planner)->CheckReport(report);
//   absl::StatusOr<v1::Plan> plan = (*planner)->MakePlan(report, previous_plan, cancelled);
//
// Thread-safety: const methods may be called from many threads at once. Owns everything it needs.
class JobPlanner {
 public:
  // InvalidArgument: name, world_size, profile or options are malformed. Unimplemented: world_size above 1.
  static absl::StatusOr<std::shared_ptr<const JobPlanner>> Create(const v1::Job& job);

  const v1::Job& job() const { return job_; }

  // InvalidArgument: the report is malformed. FailedPrecondition: it was measured on another profile.
  absl::Status CheckReport(const v1::ImportanceReport& report) const;

  // The plan of report.round(), with its name; `previous_plan` may be null. Cancelled if `cancelled` stopped the
  // search: such a plan depends on when, and is not to be kept. Otherwise the errors of RoundPlanner::MakePlan.
  // REQUIRES: CheckReport(report) is OK.
  absl::StatusOr<v1::Plan> MakePlan(const v1::ImportanceReport& report, const v1::Plan* previous_plan,
                                    const StopFunction& cancelled) const;

 private:
  JobPlanner(const v1::Job& job, std::unique_ptr<RoundPlanner> planner, Method method)
      : job_(job), planner_(std::move(planner)), method_(method) {}

  const v1::Job job_;
  const std::unique_ptr<const RoundPlanner> planner_;
  const Method method_;
};

// `planner.MakePlan(request)`, but Cancelled if request.cancelled ended the search.
absl::StatusOr<v1::Plan> MakePlanUnlessCancelled(const RoundPlanner& planner, RoundRequest request);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_JOB_JOB_PLANNER_H_
