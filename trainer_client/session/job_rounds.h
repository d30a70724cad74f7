#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_JOB_ROUNDS_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_JOB_ROUNDS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/job.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "greenplan/v1/profile.pb.h"
#include "planner/client/connection.h"

namespace greenplan::trainer {

// The planner's side of a training run: one job, its rounds one after the other, and the plan in force. Knows nothing
// of tensors. Not thread-safe.
//
//   JobRounds rounds(connection, "jobs/a");
//   absl::Status status = rounds.CreateJob(profile, options);
//   absl::StatusOr<JobRounds::Answer> answer = rounds.PlanNextRound(report);
//   if (answer.ok() && Apply(answer->plan)) rounds.TakeOver(*answer);
class JobRounds {
 public:
  // `job_name` is "jobs/{job}".
  JobRounds(std::shared_ptr<Connection> connection, std::string job_name);

  // Creates the job, or finds it as it was created before. The errors of CreateJob.
  absl::Status CreateJob(const v1::ModelProfile& profile, const v1::PlanOptions& options);
  // Returns whether CreateJob has succeeded.
  bool has_job() const { return !profile_digest_.empty(); }

  // Takes up a run where it stopped, with the plan then in force, which the planner is told of, and the number of the
  // next round. The errors of RestorePlan. REQUIRES: has_job(), and CheckProfile(plan) is OK.
  absl::Status Continue(const v1::Plan& plan, int64_t next_round);

  // What came of a round.
  struct Answer {
    v1::Plan plan;
    bool is_new = false;  // Whether it was made from this report; otherwise the plan in force stays.
    std::string notice;   // Told once when the planner goes away, why, and once when it is back. Usually empty.
  };
  // Plans the next round; round, rank and profile_digest of `report` are filled in here. The plan is not in force until
  // TakeOver.
  // - Before the first plan, the errors of PlanRound.
  // - With a plan in force, a planner that fails or cannot be reached is no error: the plan stays, and the notice says
  //   why. The round is then tried again next time. InvalidArgument and Unimplemented remain errors.
  // - A plan for another profile than the job's is refused like a failure, FailedPrecondition.
  // - A round that the planner already holds with another report (its answer was lost, or a run that was killed went
  //   further than its checkpoint) is passed over.
  // REQUIRES: has_job().
  absl::StatusOr<Answer> PlanNextRound(v1::ImportanceReport report);

  // Whether the planner is to be asked at this round. A planner that has failed several times in a row is left alone
  // for 1, 3, 7 and from then on 15 rounds, since each call that fails takes its whole timeout. If this is false, there
  // is no need to measure: KeepPlan() is the round.
  bool AsksPlanner() const { return rounds_to_wait_ == 0; }
  // Counts a round without asking the planner: the plan in force stays. REQUIRES: !AsksPlanner().
  Answer KeepPlan();

  // Returns FailedPrecondition unless `plan` is for the job's profile. REQUIRES: has_job().
  absl::Status CheckProfile(const v1::Plan& plan) const;

  // Puts the plan of PlanNextRound's answer in force, once it has been applied. The round after it is then the next
  // one.
  void TakeOver(const Answer& answer);

  // Keeps what came of a round's plan until SendOutcomes() has sent it.
  void AddOutcome(v1::Outcome outcome) { outcomes_.push_back(std::move(outcome)); }

  // Sends the outcomes that are kept, the oldest first. Nothing that goes wrong is an error of the run:
  // - The planner is away: the outcomes are kept, and none is sent before it has made a plan again.
  // - The planner has another outcome for the round (AlreadyExists) or does not have the round (FailedPrecondition):
  //   the outcome is passed over in silence.
  // - Any other error: the outcome is passed over.
  // Returns one line about the first outcome that the planner did not take for a reason worth telling, once in the
  // life of this object; otherwise an empty text.
  std::string SendOutcomes();

  // What has not been sent yet.
  const std::vector<v1::Outcome>& outcomes() const { return outcomes_; }
  void set_outcomes(std::vector<v1::Outcome> outcomes) { outcomes_ = std::move(outcomes); }

  // The number of the round that PlanNextRound asks for.
  int64_t next_round() const { return next_round_; }
  // The plan in force; absent before the first.
  const std::optional<v1::Plan>& plan() const { return plan_; }

 private:
  const std::shared_ptr<Connection> connection_;
  const std::string job_name_;
  std::string profile_digest_;
  int64_t next_round_ = 0;
  std::optional<v1::Plan> plan_;
  int failures_ = 0;  // In a row.
  int rounds_to_wait_ = 0;
  std::vector<v1::Outcome> outcomes_;
  bool outcomes_wait_ = false;  // Until the planner makes a plan again.
  bool has_told_of_outcomes_ = false;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_JOB_ROUNDS_H_
