#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_PEAK_MEMORY_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_PEAK_MEMORY_H_

#include <cstdint>

namespace greenplan::trainer {

// Returns the largest resident size in bytes that this process has had since the last ResetPeakMemory (VmHWM on Linux).
// Returns 0 where the system does not tell.
//
//   ResetPeakMemory();
//   TrainEpoch();
//   report.peak_memory_bytes = PeakMemoryBytes();
int64_t PeakMemoryBytes();

// Starts the measurement of the peak anew. It first gives free memory back to the system, because that would count.
// Returns false where the system does not allow it: the peak is then that since the process began.
bool ResetPeakMemory();

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_PEAK_MEMORY_H_
