#ifndef GREENPLAN_PLANNER_SERVICE_JOB_CACHE_H_
#define GREENPLAN_PLANNER_SERVICE_JOB_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "planner/job/prepared_job.h"

namespace greenplan {

// The revisions of jobs that were used last, so that the rounds of one share what planning derives from its profile.
// A revision of a job never changes, so nothing here becomes wrong; whether it is the latest is the store's to say.
// Bounded by what the jobs take in memory (PreparedJob::MemoryBytes), which is counted anew whenever one is used.
// Thread-safety: safe. A job that is in use outlives its eviction.
class JobCache {
 public:
  using Job = std::shared_ptr<const PreparedJob>;

  // `capacity_bytes` >= 0. A job that takes more by itself is not kept.
  explicit JobCache(size_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}

  // The job, from `load` if it is not here. Of several calls that need the same revision at the same time, one loads
  // it; the others wait and get what that one gets. An error is not kept. `load` must not call the cache.
  absl::StatusOr<Job> FindOrLoad(int64_t job_id, int64_t revision, absl::FunctionRef<absl::StatusOr<Job>()> load);
  // Takes the place of the same revision, if it is here.
  void Insert(int64_t job_id, Job job);
  // Removes all revisions of a job that has been deleted.
  void Remove(int64_t job_id);

 private:
  using Key = std::pair<int64_t, int64_t>;  // Id and revision.
  struct Entry {
    Key key;
    Job job;
    size_t bytes = 0;
  };
  using Entries = std::list<Entry>;
  struct Loading {
    absl::Notification is_done;
    absl::StatusOr<Job> result;  // Set before is_done.
  };

  // Null if the job is not here.
  Job Find(const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Insert(const Key& key, Job job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Count(Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remove(Entries::iterator entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Evicts the jobs used longest ago until the rest fits.
  void Evict() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t capacity_bytes_;
  absl::Mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);   // The one used last comes first.
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // Of all entries.
  std::map<Key, Entries::iterator> by_key_ ABSL_GUARDED_BY(mutex_);
  std::map<Key, std::shared_ptr<Loading>> loading_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_JOB_CACHE_H_
