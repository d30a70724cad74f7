#ifndef GREENPLAN_PLANNER_SERVICE_ROUND_TIMER_H_
#define GREENPLAN_PLANNER_SERVICE_ROUND_TIMER_H_

#include <functional>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "planner/service/round_waiters.h"

namespace greenplan {

// Tells when rounds have waited long enough for their ranks, on a thread of its own.
//
//   RoundTimer timer({.now = absl::Now, .on_due = PlanRound, .on_tick = FindForgottenRounds});
//   timer.Set({job_id, 3}, deadline);
//
// Thread-safety: safe.
class RoundTimer {
 public:
  // The clock and the functions to call.
  struct Options {
    // The clock of the deadlines.
    std::function<absl::Time()> now = absl::Now;
    // Called on the timer's thread, which they must not block for long.
    std::function<void(const RoundId&)> on_due;  // Once per Set, at its deadline.
    std::function<void()> on_tick;               // At the start, then every `tick`.
    // The time between two calls of on_tick.
    absl::Duration tick = absl::Seconds(1);
  };

  // Starts the timer's thread.
  explicit RoundTimer(Options options);
  ~RoundTimer() { Stop(); }
  RoundTimer(const RoundTimer&) = delete;
  RoundTimer& operator=(const RoundTimer&) = delete;

  // Sets the deadline of a round, in place of the one that it has, if any.
  void Set(const RoundId& id, absl::Time deadline);
  // Removes a round's deadline, for a round that has its plan. Does nothing if it has none.
  void Forget(const RoundId& id);

  // Stops the timer. Waits for the function that is being called; nothing is called afterwards. May be called again.
  void Stop();

 private:
  void Run();
  // Waits for the first deadline, the stop, or as long as `patience`. Returns what is due.
  std::set<RoundId> TakeDue(absl::Duration patience);

  const Options options_;
  absl::Mutex mutex_;
  absl::CondVar changed_;
  std::map<RoundId, absl::Time> deadlines_ ABSL_GUARDED_BY(mutex_);
  std::set<std::pair<absl::Time, RoundId>> order_ ABSL_GUARDED_BY(mutex_);  // The same deadlines by time.
  bool is_stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // The last member: it uses the others.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_ROUND_TIMER_H_
