#ifndef GREENPLAN_PROFILER_AUTOGRAD_TESTING_COUNTING_ALLOCATOR_H_
#define GREENPLAN_PROFILER_AUTOGRAD_TESTING_COUNTING_ALLOCATOR_H_

#include <cstdint>

namespace greenplan::profiler::testing {

// Installs an allocator that counts bytes. All CPU tensors created from now on, on any thread, use it. Call it once; it
// cannot be removed. All functions here are thread-safe.
void InstallCountingAllocator();

// Returns the bytes of CPU tensors that exist now and were created with the allocator. There is no padding in it.
int64_t AllocatedBytes();

// Returns the maximum of AllocatedBytes() since the last call of ResetPeak().
int64_t PeakAllocatedBytes();
void ResetPeak();

}  // namespace greenplan::profiler::testing

#endif  // GREENPLAN_PROFILER_AUTOGRAD_TESTING_COUNTING_ALLOCATOR_H_
