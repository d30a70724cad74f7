#include "planner/service/job_cache.h"

#include <utility>

namespace greenplan {

std::shared_ptr<const PreparedJob> JobCache::Find(const std::string& job_name) {
  absl::MutexLock lock(&mutex_);
  const auto found = by_name_.find(job_name);
  if (found == by_name_.end()) return nullptr;
  const std::shared_ptr<const PreparedJob> job = found->second->job;
  entries_.splice(entries_.begin(), entries_, found->second);
  Count(*found->second);
  Evict();
  return job;
}

void JobCache::Insert(std::shared_ptr<const PreparedJob> job) {
  absl::MutexLock lock(&mutex_);
  const std::string name = job->job().name();
  if (const auto found = by_name_.find(name); found != by_name_.end()) Remove(found->second);
  entries_.push_front({.job = std::move(job)});
  by_name_[name] = entries_.begin();
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
  by_name_.erase(entry->job->job().name());
  entries_.erase(entry);
}

void JobCache::Evict() {
  while (bytes_ > capacity_bytes_) Remove(std::prev(entries_.end()));
}

}  // namespace greenplan
