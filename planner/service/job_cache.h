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

// The revisions of jobs that were used last, ready to plan with, so that the rounds of one revision share what planning
// derives from its profile. A revision of a job never changes, so nothing here can become wrong; the store says which
// revision is the latest.
//
// Bounded by the memory that the jobs take (PreparedJob::MemoryBytes), which is counted anew whenever a job is used.
// Thread-safety: safe. A job that is in use outlives its eviction.
//
//   JobCache cache(size_t{256} << 20);
//   absl::StatusOr<JobCache::Job> job = cache.FindOrLoad(id, revision, [&] { return ReadFromStore(id, revision); });
class JobCache {
 public:
  using Job = std::shared_ptr<const PreparedJob>;

  // `capacity_bytes` >= 0. A job that takes more by itself is not kept.
  explicit JobCache(size_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}

  // Returns the revision, from `load` if it is not here. If several calls need the same revision at the same time, one
  // loads it; the others wait and get its result. An error is not kept. `load` must not call the cache.
  absl::StatusOr<Job> FindOrLoad(int64_t job_id, int64_t revision, absl::FunctionRef<absl::StatusOr<Job>()> load);
  // Adds a revision, in place of the same one if it is here already.
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
