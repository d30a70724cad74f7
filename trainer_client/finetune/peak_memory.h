#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_PEAK_MEMORY_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_PEAK_MEMORY_H_

#include <cstdint>

namespace greenplan::trainer {

// The largest resident size that this process has had since the last ResetPeakMemory, in bytes (Linux: VmHWM). 0 where
// the system does not tell.
int64_t PeakMemoryBytes();

// First hands back what is free, which would count. False where the system does not allow it: the peak is then that
// since the process began.
bool ResetPeakMemory();

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_PEAK_MEMORY_H_
