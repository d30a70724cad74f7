#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_TESTING_FAKE_PLANNER_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_TESTING_FAKE_PLANNER_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "planner/client/connection.h"
#include "planner/core/model_profile.h"

namespace greenplan::trainer {

// A planner for tests of a training loop: it answers each round with what the test says, solves nothing, and keeps what
// it was sent.
//
//   auto planner = std::make_shared<FakePlanner>();
//   planner->trainable = {"head.weight"};
//   auto session = TrainingSession::Create(planner, options, parameters);
//
// The plans have the exact costs of what they train and drop, so that predicted and executed FLOPs can be compared, and
// status OPTIMAL; value and upper_bound are 0. Jobs are not kept apart. Not thread-safe.
class FakePlanner : public Connection {
 public:
  // What the next plans train. Absent: everything. Names that the profile does not have are InvalidArgument.
  std::optional<std::set<std::string>> trainable = {};
  // The next plans' drop rates by block, 0 where none is given. Empty: the plans drop nothing.
  std::map<std::string, double> drop_rates = {};
  // Every call answers Unavailable.
  bool is_away = false;

  std::vector<v1::Job> created_jobs = {};
  std::vector<v1::ImportanceReport> reports = {};  // Of the rounds that were planned.
  std::vector<v1::Outcome> outcomes = {};

  absl::StatusOr<v1::Job> CreateJob(const v1::Job& job) override;
  absl::StatusOr<v1::Plan> PlanRound(const std::string& job_name, const v1::ImportanceReport& report) override;
  absl::StatusOr<v1::Plan> GetPlan(const std::string& plan_name) override;
  absl::Status ReportOutcome(const std::string& job_name, const v1::Outcome& outcome) override;

 private:
  ModelProfile profile_;
  std::string profile_digest_;
  std::map<std::string, v1::Plan> plans_;  // By name.
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_TESTING_FAKE_PLANNER_H_
