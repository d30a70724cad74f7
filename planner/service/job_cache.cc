#include "planner/service/job_cache.h"

namespace greenplan {

absl::StatusOr<JobCache::Job> JobCache::FindOrLoad(int64_t job_id, int64_t revision,
                                                   absl::FunctionRef<absl::StatusOr<Job>()> load) {
  const Key key(job_id, revision);
  std::shared_ptr<Loading> loading;
  bool loads = false;
  {
    absl::MutexLock lock(&mutex_);
    if (Job job = Find(key)) return job;
    std::shared_ptr<Loading>& entry = loading_[key];
    loads = entry == nullptr;
    if (loads) entry = std::make_shared<Loading>();
    loading = entry;
  }
  if (!loads) {
    loading->is_done.WaitForNotification();
    return loading->result;
  }
  loading->result = load();
  {
    absl::MutexLock lock(&mutex_);
    if (loading->result.ok()) Insert(key, *loading->result);
    loading_.erase(key);
  }
  loading->is_done.Notify();
  return loading->result;
}

void JobCache::Insert(int64_t job_id, Job job) {
  const Key key(job_id, job->job().profile_revision());
  absl::MutexLock lock(&mutex_);
  Insert(key, std::move(job));
}

void JobCache::Remove(int64_t job_id) {
  absl::MutexLock lock(&mutex_);
  for (auto at = by_key_.lower_bound({job_id, 0}); at != by_key_.end() && at->first.first == job_id;) {
    Remove((at++)->second);
  }
}

JobCache::Job JobCache::Find(const Key& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  Job job = found->second->job;
  entries_.splice(entries_.begin(), entries_, found->second);
  Count(*found->second);
  Evict();
  return job;
}

void JobCache::Insert(const Key& key, Job job) {
  if (const auto found = by_key_.find(key); found != by_key_.end()) Remove(found->second);
  entries_.push_front({.key = key, .job = std::move(job)});
  by_key_[key] = entries_.begin();
  Count(entries_.front());
  Evict();
}

void JobCache::Count(Entry& entry) {
  bytes_ -= entry.bytes;
  entry.bytes = entry.job->MemoryBytes();
  bytes_ += entry.bytes;
}

void JobCache::Remove(Entries::iterator entry) {
  bytes_ -= entry->bytes;
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

void JobCache::Evict() {
  while (bytes_ > capacity_bytes_) Remove(std::prev(entries_.end()));
}

}  // namespace greenplan
