#ifndef GREENPLAN_PLANNER_SERVICE_BATCH_SIZE_H_
#define GREENPLAN_PLANNER_SERVICE_BATCH_SIZE_H_

#include <algorithm>
#include <cstddef>

namespace greenplan {

// How many messages to ask the store for at a time when many are to be read, so that large messages do not fill the
// memory and small ones do not need a query each. It learns from the messages seen. Not thread-safe.
//
//   BatchSize batch;
//   do {
//     rows = store.ListReports(..., batch.next());
//     for (row : *rows) batch.Saw(row.ByteSizeLong());
//   } while (...);
class BatchSize {
 public:
  // Returns how many messages to ask for next, >= 1.
  int next() const { return next_; }

  // Takes the size of a message that was read into account.
  void Saw(size_t message_bytes) {
    largest_bytes_ = std::max(largest_bytes_, message_bytes);
    next_ = static_cast<int>(std::clamp<size_t>(kTargetBytes / largest_bytes_, 1, kMost));
  }

 private:
  static constexpr size_t kTargetBytes = size_t{4} << 20;
  static constexpr size_t kMost = 1000;

  int next_ = 8;  // A message takes at most 16 MiB, as the request that brought it.
  size_t largest_bytes_ = 1;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_BATCH_SIZE_H_
