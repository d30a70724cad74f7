#ifndef GREENPLAN_PROFILER_ENERGY_NVML_H_
#define GREENPLAN_PROFILER_ENERGY_NVML_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "profiler/energy/energy_counter.h"

namespace greenplan::profiler {

// The functions of NVIDIA's management library that are used here. Each returns 0 on success and otherwise the
// library's error code.
struct NvmlFunctions {
  std::function<int()> init;                                              // nvmlInit_v2
  std::function<int()> shutdown;                                          // nvmlShutdown
  std::function<int(unsigned int* count)> device_count;                   // nvmlDeviceGetCount_v2
  std::function<int(unsigned int index, void** device)> device_by_index;  // nvmlDeviceGetHandleByIndex_v2
  std::function<int(void* device, unsigned long long* mj)> total_energy;  // nvmlDeviceGetTotalEnergyConsumption
};

// Loads the functions at run time from `library`, a file or a name that the dynamic loader finds. Returns nullopt if
// the library is missing or lacks one of them. The library stays loaded.
std::optional<NvmlFunctions> LoadNvml(const std::string& library);

// Returns a counter of the energy of all GPUs that the library lists and that count it (Volta and later), whichever of
// them training uses. source() lists their indices. Returns null if there are none. The counter calls `init` here and
// `shutdown` when it is destroyed.
std::unique_ptr<EnergyCounter> OpenNvml(NvmlFunctions nvml);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ENERGY_NVML_H_
