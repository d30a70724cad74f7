#ifndef GREENPLAN_PLANNER_METRICS_JOB_SERIES_H_
#define GREENPLAN_PLANNER_METRICS_JOB_SERIES_H_

#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "prometheus/counter.h"
#include "prometheus/registry.h"

namespace greenplan {

// What the ranks of each job have reported of their steps, as counters with the labels tenant and job:
//
//   greenplan_job_steps_total
//   greenplan_job_step_seconds_total
//   greenplan_job_energy_joules_total
//   greenplan_job_predicted_backward_flops_total   of the steps whose executed FLOPs are reported
//   greenplan_job_executed_backward_flops_total    of the same steps
//
// The number of time series is bounded: at most `max_jobs` jobs have series of their own. Another job takes the place
// of the one that has been silent the longest, if that is longer than `idle_time`; otherwise it counts under
// tenant="(others)", job="(others)", which is the name of no job.
// Thread-safety: safe.
class JobSeries {
 public:
  // What one outcome adds: sums over its steps, each finite and >= 0.
  struct Steps {
    // The number of steps, and the sums of their time and energy.
    double count = 0;
    double seconds = 0;
    double joules = 0;
    // Both 0 if the rank has not reported executed FLOPs, or the job's costs are not FLOPs.
    double predicted_backward_flops = 0;
    double executed_backward_flops = 0;
  };

  // Registers the families. `registry` must outlive the object. `max_jobs` >= 1.
  JobSeries(prometheus::Registry* registry, int max_jobs, absl::Duration idle_time);

  // Adds the steps of one outcome. `job` is "a" for the job "jobs/a". `now` comes from any clock that does not run
  // backwards.
  void Add(const std::string& tenant, const std::string& job, const Steps& steps, absl::Duration now);

 private:
  using Key = std::pair<std::string, std::string>;  // Tenant and job.

  // The counters of one job.
  struct Series {
    prometheus::Counter* steps;
    prometheus::Counter* seconds;
    prometheus::Counter* joules;
    prometheus::Counter* predicted_backward_flops;
    prometheus::Counter* executed_backward_flops;
    absl::Duration last_report;
  };

  Series& Find(const Key& key, absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether there is room for another job, after removing the most silent one where that may be done.
  bool MakeRoom(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Series NewSeries(const Key& key);
  void Remove(const Series& series);

  const int max_jobs_;
  const absl::Duration idle_time_;
  prometheus::Family<prometheus::Counter>& steps_;
  prometheus::Family<prometheus::Counter>& seconds_;
  prometheus::Family<prometheus::Counter>& joules_;
  prometheus::Family<prometheus::Counter>& predicted_backward_flops_;
  prometheus::Family<prometheus::Counter>& executed_backward_flops_;
  absl::Mutex mutex_;
  absl::flat_hash_map<Key, Series> jobs_ ABSL_GUARDED_BY(mutex_);
  Series others_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_METRICS_JOB_SERIES_H_
