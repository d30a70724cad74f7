#ifndef GREENPLAN_PLANNER_ADMISSION_MEMORY_BUDGET_H_
#define GREENPLAN_PLANNER_ADMISSION_MEMORY_BUDGET_H_

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

namespace greenplan {

// How much memory some things may take together. Each takes its share before it takes the memory.
//
//   MemoryBudget budget(int64_t{512} << 20);
//   MemoryBudget::Share share = budget.Take(bytes);
//   if (share == nullptr) refuse;
//
// Thread-safety: safe.
class MemoryBudget {
 public:
  // Gives the bytes back when it is destroyed. Must not outlive its budget.
  struct GiveBack {
    int64_t bytes;
    void operator()(MemoryBudget* budget) const { budget->Return(bytes); }
  };
  using Share = std::unique_ptr<MemoryBudget, GiveBack>;

  // `bytes` >= 0 in all.
  explicit MemoryBudget(int64_t bytes) : bytes_(bytes), free_bytes_(bytes) {}

  // Returns null if fewer than `bytes` are free. REQUIRES: `bytes` >= 0.
  Share Take(int64_t bytes);

  // The same, but waits until `bytes` are free, or all bytes if that is more than there are. Unavailable if it would
  // have to wait although the budget is closed. For what ends by itself soon and needs no further share meanwhile: who
  // holds one must not wait for another.
  absl::StatusOr<Share> Wait(int64_t bytes);

  // Ends all waits, those that come later included: the daemon drains.
  void Close();
  bool is_closed() const;

  int64_t free_bytes() const;

 private:
  void Return(int64_t bytes);

  const int64_t bytes_;
  mutable absl::Mutex mutex_;
  int64_t free_bytes_ ABSL_GUARDED_BY(mutex_);
  bool is_closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_ADMISSION_MEMORY_BUDGET_H_
