#ifndef GREENPLAN_PLANNER_DAEMON_HEAP_TRIMMER_H_
#define GREENPLAN_PLANNER_DAEMON_HEAP_TRIMMER_H_

#include <cstddef>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace greenplan {

// Gives the memory that requests have freed back to the operating system, so that one large request does not keep a
// daemon large for good. glibc's allocator by itself gives back only what lies at the end of each of its heaps, and
// does so at every opportunity; from construction on it leaves that to this class, for the rest of the process's life.
//
// Checks every `interval` on a thread of its own, from construction to destruction. Thread-safe.
class HeapTrimmer {
 public:
  // How often to look, and how much must be free before anything is given back.
  struct Options {
    absl::Duration interval = absl::Seconds(2);
    size_t min_free_bytes = size_t{16} << 20;  // Less than this stays with the allocator, for the next request.
  };

  HeapTrimmer() : HeapTrimmer(Options()) {}
  explicit HeapTrimmer(const Options& options);
  ~HeapTrimmer();
  HeapTrimmer(const HeapTrimmer&) = delete;
  HeapTrimmer& operator=(const HeapTrimmer&) = delete;

 private:
  void Run();

  const Options options_;
  absl::Mutex mutex_;
  bool is_ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// Gives free memory back now if the allocator holds at least `min_free_bytes` of it. Returns whether it did. Where the
// allocator is not glibc's, does nothing and returns false.
bool TrimHeap(size_t min_free_bytes);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_HEAP_TRIMMER_H_
