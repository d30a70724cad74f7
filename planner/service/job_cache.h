#ifndef GREENPLAN_PLANNER_SERVICE_JOB_CACHE_H_
#define GREENPLAN_PLANNER_SERVICE_JOB_CACHE_H_

#include <cstddef>
#include <list>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "planner/job/prepared_job.h"

namespace greenplan {

// The jobs used last, so that a job's rounds share what planning derives from its profile. Bounded by what they take in
// memory (PreparedJob::MemoryBytes), which is counted anew whenever a job is used.
// Thread-safety: safe. A job that is in use outlives its eviction.
class JobCache {
 public:
  // `capacity_bytes` >= 0. A job that takes more by itself is not kept.
  explicit JobCache(size_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}

  // Null if the job is not here.
  std::shared_ptr<const PreparedJob> Find(const std::string& job_name);
  // Takes the place of a job of the same name.
  void Insert(std::shared_ptr<const PreparedJob> job);

 private:
  struct Entry {
    std::shared_ptr<const PreparedJob> job;
    size_t bytes = 0;
  };
  using Entries = std::list<Entry>;

  void Count(Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remove(Entries::iterator entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Evicts the jobs used longest ago until the rest fits.
  void Evict() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t capacity_bytes_;
  absl::Mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);   // The one used last comes first.
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // Of all entries.
  absl::flat_hash_map<std::string, Entries::iterator> by_name_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_JOB_CACHE_H_
