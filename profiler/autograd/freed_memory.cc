#include "profiler/autograd/freed_memory.h"

#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace greenplan::profiler {

#ifdef __GLIBC__

bool KeepFreedMemory() {
  if (std::getenv("MALLOC_TRIM_THRESHOLD_") != nullptr || std::getenv("MALLOC_MMAP_MAX_") != nullptr) return false;
  // By default large blocks are mapped one by one and unmapped when they are freed, and the free end of the heap is cut
  // off. Both have to be turned off.
  return mallopt(M_MMAP_MAX, 0) == 1 && mallopt(M_TRIM_THRESHOLD, -1) == 1;
}

void ReturnFreedMemory() { malloc_trim(0); }

#else

bool KeepFreedMemory() { return false; }

void ReturnFreedMemory() {}

#endif

}  // namespace greenplan::profiler
