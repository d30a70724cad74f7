#ifndef GREENPLAN_PROFILER_AUTOGRAD_TESTING_COUNTING_ALLOCATOR_H_
#define GREENPLAN_PROFILER_AUTOGRAD_TESTING_COUNTING_ALLOCATOR_H_

#include <cstdint>

namespace greenplan::profiler::testing {

// Makes every CPU tensor created from now on, on any thread, come from an allocator that counts. Call once.
void InstallCountingAllocator();

// Bytes of CPU tensors that are alive and came from it.
int64_t AllocatedBytes();

// The most that AllocatedBytes() has been since the last call of ResetPeak().
int64_t PeakAllocatedBytes();
void ResetPeak();

}  // namespace greenplan::profiler::testing

#endif  // GREENPLAN_PROFILER_AUTOGRAD_TESTING_COUNTING_ALLOCATOR_H_
