#include "planner/admission/memory_budget.h"

namespace greenplan {

MemoryBudget::Share MemoryBudget::Take(int64_t bytes) {
  absl::MutexLock lock(&mutex_);
  if (bytes > free_bytes_) return Share(nullptr, GiveBack{0});
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
