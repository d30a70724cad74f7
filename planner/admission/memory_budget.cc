#include "planner/admission/memory_budget.h"

#include <algorithm>

namespace greenplan {

MemoryBudget::Share MemoryBudget::Take(int64_t bytes) {
  absl::MutexLock lock(&mutex_);
  if (bytes > free_bytes_) return Share(nullptr, GiveBack{0});
  free_bytes_ -= bytes;
  return Share(this, GiveBack{bytes});
}

absl::StatusOr<MemoryBudget::Share> MemoryBudget::Wait(int64_t bytes) {
  bytes = std::min(bytes, bytes_);
  const auto may_go_on = [this, bytes]()
                             ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return is_closed_ || bytes <= free_bytes_; };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&may_go_on));
  if (bytes > free_bytes_) return absl::UnavailableError("the daemon is draining; try again");
  free_bytes_ -= bytes;
  return Share(this, GiveBack{bytes});
}

void MemoryBudget::Close() {
  absl::MutexLock lock(&mutex_);
  is_closed_ = true;
}

bool MemoryBudget::is_closed() const {
  absl::MutexLock lock(&mutex_);
  return is_closed_;
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
