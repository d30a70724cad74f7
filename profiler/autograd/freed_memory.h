#ifndef GREENPLAN_PROFILER_AUTOGRAD_FREED_MEMORY_H_
#define GREENPLAN_PROFILER_AUTOGRAD_FREED_MEMORY_H_

namespace greenplan::profiler {

// Which memory the C library's allocator hands back to the system, for the whole process. What it hands back must be
// mapped anew, page by page, when a tensor takes its place. By default glibc decides by what happens to lie at the end
// of its heap: two equal training steps then differ by thousands of page faults of 1 to 2 us each.

// From now on memory that is freed is kept for what is allocated next, as LibTorch does on GPUs. Equal steps then take
// equal times, which ProfileTime() predicts best, and shorter ones. The price is a process that stays as large as it
// once was and that may grow larger, as free memory is scattered. Call it at the start of main: it cannot be undone.
// False, and nothing changes, where the C library offers no such choice or the user has set MALLOC_TRIM_THRESHOLD_ or
// MALLOC_MMAP_MAX_, which choose too.
bool KeepFreedMemory();

// Hands back what is free now, once. Does nothing where the C library offers no such choice.
void ReturnFreedMemory();

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_FREED_MEMORY_H_
