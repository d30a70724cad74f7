#ifndef GREENPLAN_PROFILER_AUTOGRAD_FREED_MEMORY_H_
#define GREENPLAN_PROFILER_AUTOGRAD_FREED_MEMORY_H_

namespace greenplan::profiler {

// Controls which freed memory the C library's allocator returns to the system, for the whole process. Returned memory
// has to be mapped again, page by page, when the next tensor is allocated. By default glibc decides by what happens to
// lie at the end of its heap, so two equal training steps can differ by thousands of page faults of 1 to 2 us each.

// Makes the allocator keep freed memory for later allocations, as LibTorch does on GPUs. Equal steps then take equal
// and shorter times, and ProfileTime() predicts them best. In return the process never shrinks, and it may grow larger
// than before because free memory gets fragmented. Call it at the start of main; it cannot be undone.
//
// Returns true on success. Returns false and changes nothing if the C library offers no such choice, or if the user has
// already chosen by setting MALLOC_TRIM_THRESHOLD_ or MALLOC_MMAP_MAX_.
bool KeepFreedMemory();

// Returns all memory that is free now to the system, once. Does nothing if the C library offers no such choice.
void ReturnFreedMemory();

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_FREED_MEMORY_H_
