#include "planner/job/prepared_job.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "planner/convert/digest.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/resource_names.h"

namespace greenplan {
namespace {

// Equal iff the messages are, bit for bit: doubles are compared as bits, and no message here holds a map.
bool SameBytes(const google::protobuf::MessageLite& a, const google::protobuf::MessageLite& b) {
  return a.SerializeAsString() == b.SerializeAsString();
}

absl::Status ValidateWorldSize(int32_t world_size) {
  if (world_size < 1) {
    return InvalidArgument("job.world_size", " is ", world_size, "; must be >= 1");
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

absl::StatusOr<std::shared_ptr<const PreparedJob>> PreparedJob::Create(const v1::Job& job) {
  if (absl::Status status = ValidateJobName(job.name(), "job.name"); !status.ok()) return status;
  if (absl::Status status = ValidateWorldSize(job.world_size()); !status.ok()) return status;
  absl::StatusOr<std::shared_ptr<const PreparedProfile>> profile =
      PreparedProfile::Create(job.profile(), job.profile_digest(), job.profile_revision());
  if (!profile.ok()) return profile.status();
  absl::StatusOr<PlanOptions> options = (*profile)->ReadOptions(job.options());
  if (!options.ok()) return options.status();
  return std::shared_ptr<const PreparedJob>(new PreparedJob(job, *std::move(profile), *std::move(options)));
}

absl::StatusOr<Measurements> PreparedJob::ReadReport(const v1::ImportanceReport& report) const {
  if (report.round() < 0) return InvalidArgument("report.round", " is ", report.round(), "; must be >= 0");
  if (report.rank() < 0 || report.rank() >= job_.world_size()) {
    return InvalidArgument("report.rank", " is ", report.rank(), "; must be >= 0 and < ", job_.world_size(),
                           ", the job's world_size");
  }
  if (report.profile_digest().empty()) {
    return InvalidArgument("report.profile_digest", " is empty; must be the job's profile_digest");
  }
  absl::Status digest = CheckProfileDigest("report.profile_digest", report.profile_digest(), profile_->digest());
  if (!digest.ok()) return digest;
  return profile_->ReadReport(report, options_);
}

absl::StatusOr<v1::Plan> PreparedJob::PlanRound(int64_t round, const Measurements& measurements,
                                                const v1::Plan* previous_plan, const CallLimits& limits) const {
  PlanRequest request{.measurements = &measurements, .options = &options_};
  absl::StatusOr<Plan> previous;
  if (previous_plan != nullptr) {
    previous = profile_->ReadPlan(*previous_plan);
    if (!previous.ok()) return InsideField("previous_plan.", previous.status());
    request.previous = &*previous;
  }
  absl::StatusOr<Plan> plan = MakePlan(profile_->planner(), request, limits, AtDeadline::kFail);
  if (!plan.ok()) return plan.status();
  v1::Plan message = profile_->WritePlan(*plan);
  message.set_name(FormatPlanName(job_.name(), round));
  message.set_round(round);
  return message;
}

size_t PreparedJob::MemoryBytes() const { return job_bytes_ + profile_->MemoryBytes(); }

}  // namespace greenplan
