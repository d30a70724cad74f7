#ifndef GREENPLAN_PLANNER_SERVICE_ROUND_WAITERS_H_
#define GREENPLAN_PLANNER_SERVICE_ROUND_WAITERS_H_

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "greenplan/v1/plan.pb.h"
#include "planner/job/planning.h"

namespace greenplan {

// One round of one job, whatever the job is called.
struct RoundId {
  int64_t job_id = 0;  // KeptJob::id.
  int64_t round = 0;

  friend auto operator<=>(const RoundId&, const RoundId&) = default;
};

// Receives a round's plan, or the reason why there is none.
using PlanCallback = std::function<void(const absl::StatusOr<v1::Plan>&)>;

// A caller that waits for the plan of a round, without a thread.
struct RoundWaiter {
  PlanCallback done;

  // Until when the caller waits, and whether it still does.
  CallLimits limits;

  // When it began to wait, on limits.clock.
  absl::Duration since = {};
};

// The callers of this process that wait for the plans of rounds. Whoever takes waiters out answers them, so each is
// answered once, however many learn at the same moment that there is a plan.
// Thread-safety: safe. Calls no callback. About 200 bytes per waiter, and what its callback holds.
//
//   waiters.Add({job_id, round}, {.done = call->done, .limits = call->limits, .since = call->limits.clock()});
//   ... once the plan is there:
//   for (const RoundWaiter& waiter : waiters.Take({job_id, round})) waiter.done(plan);
class RoundWaiters {
 public:
  // Adds a caller that waits for the plan of `id`.
  void Add(const RoundId& id, RoundWaiter waiter);

  // Each of these functions removes the waiters that it returns: those of a round, those of a job, and all of them.
  std::vector<RoundWaiter> Take(const RoundId& id);
  std::vector<RoundWaiter> TakeJob(int64_t job_id);
  std::vector<RoundWaiter> TakeAll();
  // Removes and returns those whose caller has cancelled or is past its deadline.
  std::vector<RoundWaiter> TakeGone();

  // Returns whether somebody waits for the round.
  bool Has(const RoundId& id) const;
  // Returns the rounds that somebody waits for.
  std::vector<RoundId> Rounds() const;

 private:
  mutable absl::Mutex mutex_;
  std::map<RoundId, std::vector<RoundWaiter>> waiters_ ABSL_GUARDED_BY(mutex_);  // None is empty.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_ROUND_WAITERS_H_
