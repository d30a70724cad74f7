#ifndef GREENPLAN_PLANNER_SERVICE_RETENTION_H_
#define GREENPLAN_PLANNER_SERVICE_RETENTION_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "planner/service/store_errors.h"
#include "planner/store/store.h"

namespace greenplan {

// Deletes what the store need no longer keep, by policy (ADR 12): the reports of rounds that were planned long ago, and
// jobs that nobody uses any more. A thread of its own looks every `interval`, from construction to destruction.
//
// Several replicas may do so over one store: what one has deleted, the others find gone. A failure of the store is
// logged, and what it prevented is done the next time. Thread-safety: safe.
//
//   const Retention retention(store.get(), {.kept_report_rounds = 10, .max_idle_time = absl::Hours(720)});
class Retention {
 public:
  // What to delete, and how often to look for it.
  struct Options {
    // Of how many of a job's latest planned rounds the reports are kept, >= 1; absent: all. Reports are the bulk of
    // what is kept. A plan needs them no more; WhatIf and `explain` of an old round do, and so does telling a rank that
    // its second, different report for that round is ALREADY_EXISTS.
    std::optional<int64_t> kept_report_rounds;
    // Jobs that were last used (Store::ListIdleJobs) longer ago are deleted with everything that belongs to them.
    // Absent: none.
    std::optional<absl::Duration> max_idle_time;
    // How often to look.
    absl::Duration interval = absl::Minutes(1);
    // The clock by which jobs are idle.
    std::function<absl::Time()> now = absl::Now;
    StoreErrorLog on_store_error = {};
    // Is told, after a look, how many jobs it has deleted, if any.
    std::function<void(int64_t count)> on_deleted_jobs = {};
  };

  // `store` must outlive the object.
  Retention(Store* store, Options options);
  // Waits for a look that is under way.
  ~Retention();
  Retention(const Retention&) = delete;
  Retention& operator=(const Retention&) = delete;

  // Looks now, on the calling thread, and returns when everything due has been deleted.
  void Look();

 private:
  void Run();
  // Remembers which round was planned.
  void Note(const Change& change);
  // The two parts of Look: reports of old rounds, and jobs that are idle.
  void DeleteOldReports();
  void DeleteIdleJobs();
  bool is_stopped();

  Store& store_;
  const Options options_;
  absl::Mutex mutex_;
  bool is_stopped_ ABSL_GUARDED_BY(mutex_) = false;
  // The latest round that was planned since the last look, by job. A job whose rounds are not heard of, because
  // notifications were lost or the daemon started anew, has its turn with its next round.
  std::map<int64_t, int64_t> planned_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Subscription> changes_;
  std::thread thread_;  // Last: it uses the others.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_RETENTION_H_
