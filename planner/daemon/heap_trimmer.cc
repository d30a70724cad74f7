#include "planner/daemon/heap_trimmer.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace greenplan {

HeapTrimmer::HeapTrimmer(const Options& options) : options_(options), thread_([this] { Run(); }) {}

HeapTrimmer::~HeapTrimmer() {
  {
    absl::MutexLock lock(&mutex_);
    is_ending_ = true;
  }
  thread_.join();
}

void HeapTrimmer::Run() {
  absl::MutexLock lock(&mutex_);
  while (!mutex_.AwaitWithTimeout(absl::Condition(&is_ending_), options_.interval)) TrimHeap(options_.min_free_bytes);
}

#ifdef __GLIBC__

// What was given back already still counts as free in mallinfo2, so that a heap once large is looked through each time.
// That costs a few milliseconds on this thread, while other threads wait for one heap at most.
bool TrimHeap(size_t min_free_bytes) {
  if (mallinfo2().fordblks < min_free_bytes) return false;
  malloc_trim(0);
  return true;
}

#else

bool TrimHeap(size_t /*min_free_bytes*/) { return false; }

#endif

}  // namespace greenplan
