#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_PEAK_MEMORY_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_PEAK_MEMORY_H_

#include <cstdint>

#include "c10/core/Device.h"

namespace greenplan::trainer {

// Returns the most memory in bytes that this process has held at once since the last ResetPeakMemory. On a CPU that is
// its resident size (VmHWM on Linux), or 0 where the system does not tell. On another device it is the sum of the
// tensors there, as LibTorch's allocator counts them.
//
//   ResetPeakMemory(device);
//   TrainEpoch();
//   report.peak_memory_bytes = PeakMemoryBytes(device);
int64_t PeakMemoryBytes(const at::Device& device);

// Starts the measurement of the peak anew. On a CPU it first gives free memory back to the system, because that would
// count. Returns false where the system does not allow it: the peak is then that since the process began.
bool ResetPeakMemory(const at::Device& device);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_PEAK_MEMORY_H_
