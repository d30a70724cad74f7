#ifndef GREENPLAN_TESTS_REPLICAS_HISTORY_H_
#define GREENPLAN_TESTS_REPLICAS_HISTORY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/job.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "planner/store/store.h"

namespace greenplan {

// What planners have acknowledged to the ranks of jobs, to be compared with what is kept afterwards. A planner promises
// that all ranks of a round get one plan, byte for byte, and that nothing is lost that it has answered for.
//
//   History history;
//   history.AddPlan("jobs/a", report, *plan);   // From every rank's thread.
//   EXPECT_THAT(history.FindFaults(*store), IsEmpty());
//
// Thread-safety: safe.
class History {
 public:
  // A job was created or found, and answered as `job`.
  void AddJob(const v1::Job& job);
  // The rank of `report` has got `plan` for it.
  void AddPlan(const std::string& job_name, const v1::ImportanceReport& report, const v1::Plan& plan);
  // An outcome was accepted.
  void AddOutcome(const std::string& job_name, const v1::Outcome& outcome);

  // How many plans were got so far. WaitForPlans waits until there are at least `count`, and returns whether that came
  // true within `timeout`.
  [[nodiscard]] bool WaitForPlans(int64_t count, absl::Duration timeout = absl::Minutes(5)) const;
  int64_t num_plans() const;
  // How many answers were got so far: jobs, plans and outcomes.
  int64_t num_answers() const;

  // An answer: exactly one of job, report (with its plan) and outcome is set.
  struct Answer {
    std::string job_name;
    std::optional<v1::Job> job = {};
    std::optional<v1::ImportanceReport> report = {};
    v1::Plan plan = {};
    std::optional<v1::Outcome> outcome = {};
  };
  // Returns the answers that were got since the last call.
  std::vector<Answer> TakeNewAnswers();

  // What contradicts the promise, in words; none if all is well. Jobs belong to the tenant "".
  std::vector<std::string> FindFaults(Store& store) const;

 private:
  using RoundKey = std::pair<std::string, int64_t>;  // Job and round.
  struct Acknowledged {
    std::map<int32_t, std::string> plans;     // By rank, the bytes that it got.
    std::map<int32_t, std::string> reports;   // By rank, for which it got them.
    std::map<int32_t, std::string> outcomes;  // By rank.
  };

  mutable absl::Mutex mutex_;
  int64_t num_plans_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t num_answers_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::string> jobs_ ABSL_GUARDED_BY(mutex_);  // By name.
  std::vector<Answer> new_answers_ ABSL_GUARDED_BY(mutex_);
  std::map<RoundKey, Acknowledged> rounds_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_REPLICAS_HISTORY_H_
