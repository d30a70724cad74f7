#include "planner/service/job_cache.h"

#include <utility>

namespace greenplan {

std::shared_ptr<const JobPlanner> JobCache::Find(const std::string& job_name) {
  absl::MutexLock lock(&mutex_);
  const auto found = by_name_.find(job_name);
  if (found == by_name_.end()) return nullptr;
  jobs_.splice(jobs_.begin(), jobs_, found->second);
  return *found->second;
}

void JobCache::Insert(std::shared_ptr<const JobPlanner> planner) {
  absl::MutexLock lock(&mutex_);
  const std::string name = planner->job().name();
  if (const auto found = by_name_.find(name); found != by_name_.end()) jobs_.erase(found->second);
  jobs_.push_front(std::move(planner));
  by_name_[name] = jobs_.begin();
  if (jobs_.size() <= capacity_) return;
  by_name_.erase(jobs_.back()->job().name());
  jobs_.pop_back();
}

}  // namespace greenplan
