#include "trainer_client/session/job_rounds.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace greenplan::trainer {
namespace {

// Rounds that one call passes over: more than a killed run can have left behind.
constexpr int kMostRoundsPassedOver = 10000;

// The longest wait for a planner that keeps failing is 2^4 - 1 rounds.
constexpr int kMostDoublings = 5;

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

absl::Status JobRounds::Continue(const v1::Plan& plan, int64_t next_round) {
  if (absl::Status status = connection_->RestorePlan(job_name_, plan); !status.ok()) return status;
  plan_ = plan;
  next_round_ = next_round;
  return absl::OkStatus();
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

  if (plan.ok()) {
    if (absl::Status status = CheckProfile(*plan); !status.ok()) plan = status;
  }
  if (plan.ok()) {
    Answer answer{.plan = *std::move(plan), .is_new = true};
    if (failures_ > 0) answer.notice = absl::StrCat("the planner answers again, from round ", next_round_, " on");
    failures_ = 0;
    outcomes_wait_ = false;
    return answer;
  }
  if (!plan_.has_value() || absl::IsInvalidArgument(plan.status()) || absl::IsUnimplemented(plan.status())) {
    return plan.status();
  }
  ++failures_;
  outcomes_wait_ = true;
  rounds_to_wait_ = (1 << (std::min(failures_, kMostDoublings) - 1)) - 1;
  Answer answer{.plan = *plan_};
  if (failures_ == 1) {
    answer.notice =
        absl::StrCat("no new plan for round ", next_round_, " (", plan.status().message(),
                     "); training goes on with the plan of round ", plan_->round(), " until the planner answers");
  }
  return answer;
}

JobRounds::Answer JobRounds::KeepPlan() {
  --rounds_to_wait_;
  return {.plan = *plan_};
}

absl::Status JobRounds::CheckProfile(const v1::Plan& plan) const {
  if (plan.profile_digest() == profile_digest_) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the plan is for a profile with the digest \"", plan.profile_digest(),
                   "\", but the profile of this model and batch has \"", profile_digest_, "\""));
}

std::string JobRounds::SendOutcomes() {
  std::string notice;
  while (!outcomes_.empty() && !outcomes_wait_) {
    const v1::Outcome& outcome = outcomes_.front();
    const absl::Status status = connection_->ReportOutcome(job_name_, outcome);
    const bool is_expected = status.ok() || absl::IsAlreadyExists(status) || absl::IsFailedPrecondition(status);
    if (!is_expected && !std::exchange(has_told_of_outcomes_, true)) {
      notice = absl::StrCat("the planner did not take what came of round ", outcome.round(), " (", status.message(),
                            "); training goes on");
    }
    outcomes_wait_ = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
    if (!outcomes_wait_) outcomes_.erase(outcomes_.begin());
  }
  return notice;
}

void JobRounds::TakeOver(const Answer& answer) {
  if (!answer.is_new) return;
  plan_ = answer.plan;
  ++next_round_;
}

}  // namespace greenplan::trainer
