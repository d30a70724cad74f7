#ifndef GREENPLAN_PLANNER_SERVICE_JOB_CACHE_H_
#define GREENPLAN_PLANNER_SERVICE_JOB_CACHE_H_

#include <list>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "planner/job/job_planner.h"

namespace greenplan {

// The planners of the jobs used last, so that a job's rounds share what planning derives from its profile.
// Thread-safety: safe. A planner that is in use outlives its eviction.
class JobCache {
 public:
  // REQUIRES: capacity >= 1.
  explicit JobCache(size_t capacity) : capacity_(capacity) {}

  // Null if the job is not here.
  std::shared_ptr<const JobPlanner> Find(const std::string& job_name);
  // Evicts the job used longest ago if there are more than `capacity`.
  void Insert(std::shared_ptr<const JobPlanner> planner);

 private:
  using Jobs = std::list<std::shared_ptr<const JobPlanner>>;

  const size_t capacity_;
  absl::Mutex mutex_;
  Jobs jobs_ ABSL_GUARDED_BY(mutex_);  // The one used last comes first.
  absl::flat_hash_map<std::string, Jobs::iterator> by_name_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_JOB_CACHE_H_
