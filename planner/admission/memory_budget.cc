#include "planner/admission/memory_budget.h"

#include <algorithm>

namespace greenplan {

MemoryBudget::Share MemoryBudget::Take(int64_t bytes) {
  absl::MutexLock lock(&mutex_);
  if (bytes > free_bytes_) return Share(nullptr, GiveBack{0});
  free_bytes_ -= bytes;
  return Share(this, GiveBack{bytes});
}

MemoryBudget::Share MemoryBudget::Wait(int64_t bytes) {
  bytes = std::min(bytes, bytes_);
  const auto are_free = [this, bytes]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return bytes <= free_bytes_; };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&are_free));
  free_bytes_ -= bytes;
  return Share(this, GiveBack{bytes});
}

int64_t MemoryBudget::free_bytes() const {
  absl::MutexLock lock(&mutex_);
  return free_bytes_;
}

void MemoryBudget::Return(int64_t bytes) {
  absl::MutexLock lock(&mutex_);
  free_bytes_ += bytes;
}

}  // namespace greenplan
