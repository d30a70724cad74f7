#include "planner/job/prepared_job.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "planner/convert/convert.h"
#include "planner/convert/digest.h"
#include "planner/convert/validate.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/in_request.h"
#include "planner/job/resource_names.h"

namespace greenplan {
namespace {

// Equal iff the messages are, bit for bit: doubles are compared as bits, and no message here holds a map.
bool SameBytes(const google::protobuf::MessageLite& a, const google::protobuf::MessageLite& b) {
  return a.SerializeAsString() == b.SerializeAsString();
}

absl::Status ValidateWorldSize(int32_t world_size) {
  constexpr int32_t kMaxWorldSize = 1'000'000;
  if (world_size >= 1 && world_size <= kMaxWorldSize) return absl::OkStatus();
  return InvalidArgument("job.world_size", " is ", world_size, "; must be >= 1 and at most ", kMaxWorldSize);
}

absl::Status ValidateQuorumTimeout(const v1::Job& job) {
  if (!job.has_quorum_timeout()) return absl::OkStatus();
  const google::protobuf::Duration& timeout = job.quorum_timeout();
  constexpr int64_t kMaxSeconds = 7 * 24 * 3600;
  const bool is_valid = timeout.nanos() >= 0 && timeout.nanos() < 1'000'000'000 && timeout.seconds() >= 0 &&
                        timeout.seconds() + timeout.nanos() > 0 && timeout.seconds() < kMaxSeconds;
  if (is_valid) return absl::OkStatus();
  return InvalidArgument("job.quorum_timeout", " is ", timeout.seconds(), " s and ", timeout.nanos(),
                         " ns; must be > 0 and below 7 days");
}

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  return google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(time));
}

}  // namespace

v1::Job NewJob(const v1::Job& request, absl::Time create_time) {
  v1::Job job = request;
  job.set_profile_revision(1);
  job.set_profile_digest(ProfileDigest(job.profile()));
  *job.mutable_create_time() = ToTimestamp(create_time);
  *job.mutable_update_time() = job.create_time();
  return job;
}

absl::StatusOr<std::optional<v1::Job>> NextRevision(const v1::Job& job, const v1::Job& request,
                                                    absl::Time update_time) {
  if (request.world_size() != 0 && request.world_size() != job.world_size()) {
    return InvalidArgument("job.world_size", " is ", request.world_size(), "; that of ", job.name(), " is ",
                           job.world_size(), " and cannot change");
  }
  if (!request.has_profile() && !request.has_options() && !request.has_quorum_timeout()) {
    return InvalidArgument("job", " has neither profile nor options nor quorum_timeout; at least one is required");
  }
  v1::Job next = job;
  if (request.has_profile()) *next.mutable_profile() = request.profile();
  if (request.has_options()) *next.mutable_options() = request.options();
  if (request.has_quorum_timeout()) *next.mutable_quorum_timeout() = request.quorum_timeout();
  if (SameContent(job, next)) return std::nullopt;
  next.set_profile_revision(job.profile_revision() + 1);
  next.set_profile_digest(ProfileDigest(next.profile()));
  *next.mutable_update_time() = ToTimestamp(update_time);
  return next;
}

bool SameContent(const v1::Job& a, const v1::Job& b) {
  return a.name() == b.name() && a.world_size() == b.world_size() && SameBytes(a.options(), b.options()) &&
         SameBytes(a.quorum_timeout(), b.quorum_timeout()) && SameBytes(a.profile(), b.profile());
}

bool SameReport(const v1::ImportanceReport& a, const v1::ImportanceReport& b) { return SameBytes(a, b); }

absl::Status JobIsTaken(const std::string& job_name) {
  return absl::AlreadyExistsError(
      absl::StrCat(job_name, " exists with another profile, options, world_size or quorum_timeout"));
}

absl::Status ReportIsTaken(const std::string& job_name, const v1::ImportanceReport& report) {
  return absl::AlreadyExistsError(
      absl::StrCat("rank ", report.rank(), " of ", job_name, " has sent another report for round ", report.round()));
}

absl::Status DoesNotExist(const std::string& resource_name) {
  return absl::NotFoundError(absl::StrCat(resource_name, " does not exist"));
}

absl::StatusOr<std::shared_ptr<const PreparedJob>> PreparedJob::Create(v1::Job job) {
  if (absl::Status status = ValidateJobName(job.name(), "job.name"); !status.ok()) return status;
  if (absl::Status status = ValidateWorldSize(job.world_size()); !status.ok()) return status;
  if (absl::Status status = ValidateQuorumTimeout(job); !status.ok()) return status;
  if (!job.has_profile()) return InvalidArgument("job.profile", " is missing; a job requires one");
  absl::StatusOr<std::shared_ptr<const PreparedProfile>> profile =
      PreparedProfile::Create(job.profile(), job.profile_digest(), job.profile_revision());
  if (!profile.ok()) return InRequest("job.profile", profile.status());
  absl::StatusOr<PlanOptions> options = (*profile)->ReadOptions(job.options());
  if (!options.ok()) return InRequest("job.options", options.status());
  return std::shared_ptr<const PreparedJob>(new PreparedJob(std::move(job), *std::move(profile), *std::move(options)));
}

absl::Status PreparedJob::CheckOptions() const {
  return InRequest("job.options", profile_->planner().CheckOptions(options_));
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
  absl::StatusOr<Measurements> measurements = MeasurementsFromProto(report, profile_->profile(), options_.method);
  if (!measurements.ok()) return InRequest("report", measurements.status());
  if (absl::Status status = ValidateAverage(*measurements); !status.ok()) return status;
  return measurements;
}

absl::Duration PreparedJob::QuorumTimeout(absl::Duration otherwise) const {
  if (!job_.has_quorum_timeout()) return otherwise;
  return absl::Seconds(job_.quorum_timeout().seconds()) + absl::Nanoseconds(job_.quorum_timeout().nanos());
}

absl::Status PreparedJob::ValidateAverage(const Measurements& average) const {
  return InRequest("job.options", ValidatePenalty(options_, average));
}

absl::StatusOr<v1::Plan> PreparedJob::PlanRound(int64_t round, const Measurements& measurements,
                                                const v1::Plan* previous_plan, const CallLimits& limits) const {
  PlanRequest request{.measurements = &measurements, .options = &options_};
  absl::StatusOr<Plan> previous;
  const bool is_of_this_profile = previous_plan != nullptr && (previous_plan->profile_digest().empty() ||
                                                               previous_plan->profile_digest() == profile_->digest());
  if (is_of_this_profile) {
    previous = profile_->ReadPlan(*previous_plan);
    if (!previous.ok()) return InsideField("previous_plan.", previous.status());
    request.previous = &*previous;
  }
  absl::StatusOr<Plan> plan = MakePlan(profile_->planner(), request, limits, AtDeadline::kFail);
  if (!plan.ok()) return InRequest("job.options", plan.status());
  v1::Plan message = profile_->WritePlan(*plan);
  message.set_name(FormatPlanName(job_.name(), round));
  message.set_round(round);
  return message;
}

void PreparedJob::RecordPlanning(absl::Duration processor_time) const {
  absl::MutexLock lock(&mutex_);
  const bool is_first = expected_planning_ == absl::InfiniteDuration();
  expected_planning_ = is_first ? processor_time : std::max(processor_time, expected_planning_ * 7 / 8);
}

absl::Duration PreparedJob::ExpectedPlanning() const {
  absl::MutexLock lock(&mutex_);
  return expected_planning_;
}

size_t PreparedJob::MemoryBytes() const { return job_bytes_ + profile_->MemoryBytes(); }

}  // namespace greenplan
