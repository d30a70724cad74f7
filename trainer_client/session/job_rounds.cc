#include "trainer_client/session/job_rounds.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace greenplan::trainer {
namespace {

// Rounds that one call passes over: more than a killed run can have left behind.
constexpr int kMostRoundsPassedOver = 10000;

}  // namespace

JobRounds::JobRounds(std::shared_ptr<Connection> connection, std::string job_name)
    : connection_(std::move(connection)), job_name_(std::move(job_name)) {}

absl::Status JobRounds::CreateJob(const v1::ModelProfile& profile, const v1::PlanOptions& options) {
  v1::Job job;
  job.set_name(job_name_);
  *job.mutable_profile() = profile;
  *job.mutable_options() = options;
  job.set_world_size(1);
  absl::StatusOr<v1::Job> created = connection_->CreateJob(job);
  if (!created.ok()) return created.status();
  profile_digest_ = created->profile_digest();
  return absl::OkStatus();
}

void JobRounds::Continue(const v1::Plan& plan, int64_t next_round) {
  plan_ = plan;
  next_round_ = next_round;
}

absl::StatusOr<JobRounds::Answer> JobRounds::PlanNextRound(v1::ImportanceReport report) {
  report.set_rank(0);
  report.set_profile_digest(profile_digest_);
  absl::StatusOr<v1::Plan> plan;
  for (int passed_over = 0; passed_over <= kMostRoundsPassedOver; ++passed_over) {
    report.set_round(next_round_);
    plan = connection_->PlanRound(job_name_, report);
    if (!absl::IsAlreadyExists(plan.status())) break;
    ++next_round_;
  }

  if (plan.ok()) return Answer{.plan = *std::move(plan)};
  if (!plan_.has_value() || absl::IsInvalidArgument(plan.status()) || absl::IsUnimplemented(plan.status())) {
    return plan.status();
  }
  return Answer{.plan = *plan_,
                .notice = absl::StrCat("no new plan for round ", next_round_, " (", plan.status().message(),
                                       "); training goes on with the plan of round ", plan_->round())};
}

void JobRounds::TakeOver(const Answer& answer) {
  if (!answer.notice.empty()) return;
  plan_ = answer.plan;
  ++next_round_;
}

}  // namespace greenplan::trainer
