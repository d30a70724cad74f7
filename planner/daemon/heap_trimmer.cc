#include "planner/daemon/heap_trimmer.h"

#include <algorithm>
#include <limits>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace greenplan {

namespace {

// By itself glibc gives the end of a heap back as soon as 128 KiB are free there, and asks for it again, page by page,
// when the next request plans.
void KeepFreeMemory([[maybe_unused]] size_t num_bytes) {
#ifdef __GLIBC__
  const int limit = static_cast<int>(std::min<size_t>(num_bytes, std::numeric_limits<int>::max()));
  mallopt(M_TRIM_THRESHOLD, limit);
  mallopt(M_MMAP_THRESHOLD, limit);  // The largest block that may lie in a heap. The other option makes it 128 KiB.
#endif
}

}  // namespace

HeapTrimmer::HeapTrimmer(const Options& options) : options_(options) {
  KeepFreeMemory(options_.min_free_bytes);
  thread_ = std::thread([this] { Run(); });
}

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
