#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_PEAK_MEMORY_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_PEAK_MEMORY_H_

#include <cstdint>

#include "c10/core/Device.h"

namespace greenplan::trainer {

// Returns the most memory that this process has held at once since the last ResetPeakMemory, in bytes. On a CPU that is
// its resident size (Linux: VmHWM), or 0 where the system does not tell. On another device it is the sum of the tensors
// there, as LibTorch's allocator counts them.
int64_t PeakMemoryBytes(const at::Device& device);

// Begins anew. On a CPU it first hands back what is free, which would count. Returns false where the system does not
// allow it: the peak is then that since the process began.
bool ResetPeakMemory(const at::Device& device);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_PEAK_MEMORY_H_
