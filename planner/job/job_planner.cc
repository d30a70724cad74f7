#include "planner/job/job_planner.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "planner/convert/convert.h"
#include "planner/convert/digest.h"
#include "planner/job/resource_names.h"

namespace greenplan {
namespace {

// Equal iff the messages are, bit for bit: doubles are compared as bits, and no message here holds a map.
bool SameBytes(const google::protobuf::MessageLite& a, const google::protobuf::MessageLite& b) {
  return a.SerializeAsString() == b.SerializeAsString();
}

absl::Status ValidateWorldSize(int32_t world_size) {
  if (world_size < 1) {
    return absl::InvalidArgumentError(absl::StrCat("job.world_size is ", world_size, "; must be >= 1"));
  }
  if (world_size > 1) {
    return absl::UnimplementedError(absl::StrCat("job.world_size is ", world_size, "; only 1 is implemented"));
  }
  return absl::OkStatus();
}

}  // namespace

v1::Job NewJob(const v1::Job& request, absl::Time create_time) {
  v1::Job job = request;
  job.set_profile_revision(1);
  job.set_profile_digest(ProfileDigest(job.profile()));
  *job.mutable_create_time() = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(create_time));
  return job;
}

bool SameContent(const v1::Job& a, const v1::Job& b) {
  return a.name() == b.name() && a.world_size() == b.world_size() && SameBytes(a.options(), b.options()) &&
         SameBytes(a.profile(), b.profile());
}

bool SameReport(const v1::ImportanceReport& a, const v1::ImportanceReport& b) { return SameBytes(a, b); }

absl::Status JobIsTaken(const std::string& job_name) {
  return absl::AlreadyExistsError(absl::StrCat(job_name, " exists with another profile, options or world_size"));
}

absl::Status ReportIsTaken(const std::string& job_name, const v1::ImportanceReport& report) {
  return absl::AlreadyExistsError(
      absl::StrCat("rank ", report.rank(), " of ", job_name, " has sent another report for round ", report.round()));
}

absl::Status DoesNotExist(const std::string& resource_name) {
  return absl::NotFoundError(absl::StrCat(resource_name, " does not exist"));
}

absl::StatusOr<std::shared_ptr<const JobPlanner>> JobPlanner::Create(const v1::Job& job) {
  if (absl::Status status = ValidateJobName(job.name(), "job.name"); !status.ok()) return status;
  if (absl::Status status = ValidateWorldSize(job.world_size()); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<RoundPlanner>> planner = RoundPlanner::Create(job.profile(), job.profile_revision());
  if (!planner.ok()) return planner.status();
  if (absl::Status status = (*planner)->ValidateOptions(job.options()); !status.ok()) return status;
  absl::StatusOr<PlanOptions> options = PlanOptionsFromProto(job.options(), (*planner)->profile());
  if (!options.ok()) return options.status();
  return std::shared_ptr<const JobPlanner>(new JobPlanner(job, *std::move(planner), options->method));
}

absl::Status JobPlanner::CheckReport(const v1::ImportanceReport& report) const {
  if (report.round() < 0) {
    return absl::InvalidArgumentError(absl::StrCat("report.round is ", report.round(), "; must be >= 0"));
  }
  if (report.rank() < 0 || report.rank() >= job_.world_size()) {
    return absl::InvalidArgumentError(absl::StrCat("report.rank is ", report.rank(), "; must be >= 0 and < ",
                                                   job_.world_size(), ", the job's world_size"));
  }
  if (report.profile_digest().empty()) {
    return absl::InvalidArgumentError("report.profile_digest is empty; must be the job's profile_digest");
  }
  if (report.profile_digest() != job_.profile_digest()) {
    return absl::FailedPreconditionError(absl::StrCat("report.profile_digest is not that of ", job_.name(), ", ",
                                                      job_.profile_digest(), ": it was measured on another profile"));
  }
  return MeasurementsFromProto(report, planner_->profile(), method_).status();
}

absl::StatusOr<v1::Plan> JobPlanner::MakePlan(const v1::ImportanceReport& report, const v1::Plan* previous_plan,
                                              const StopFunction& cancelled) const {
  absl::StatusOr<v1::Plan> plan = MakePlanUnlessCancelled(*planner_, {.options = &job_.options(),
                                                                      .report = &report,
                                                                      .previous_plan = previous_plan,
                                                                      .require_profile_digest = true,
                                                                      .cancelled = cancelled});
  if (!plan.ok()) return plan;
  plan->set_name(FormatPlanName(job_.name(), report.round()));
  plan->set_round(report.round());
  return plan;
}

absl::StatusOr<v1::Plan> MakePlanUnlessCancelled(const RoundPlanner& planner, RoundRequest request) {
  bool was_cancelled = false;
  if (request.cancelled) {
    was_cancelled = request.cancelled();
    request.cancelled = [&was_cancelled, cancelled = std::move(request.cancelled)] {
      was_cancelled = was_cancelled || cancelled();
      return was_cancelled;
    };
  }
  if (!was_cancelled) {
    absl::StatusOr<v1::Plan> plan = planner.MakePlan(request);
    if (!was_cancelled) return plan;
  }
  return absl::CancelledError("the call ended before its plan was found; nothing was kept");
}

}  // namespace greenplan
