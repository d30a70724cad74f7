#ifndef GREENPLAN_PROFILER_ENERGY_NVML_H_
#define GREENPLAN_PROFILER_ENERGY_NVML_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "profiler/energy/energy_counter.h"

namespace greenplan::profiler {

// What is called of NVIDIA's management library. Each returns 0 on success, else the library's error code.
struct NvmlFunctions {
  std::function<int()> init;                                              // nvmlInit_v2
  std::function<int()> shutdown;                                          // nvmlShutdown
  std::function<int(unsigned int* count)> device_count;                   // nvmlDeviceGetCount_v2
  std::function<int(unsigned int index, void** device)> device_by_index;  // nvmlDeviceGetHandleByIndex_v2
  std::function<int(void* device, unsigned long long* mj)> total_energy;  // nvmlDeviceGetTotalEnergyConsumption
};

// Loads them at run time from `library`, a file or a name that the loader finds. Nothing where the library is absent or
// lacks one of them. The library stays loaded.
std::optional<NvmlFunctions> LoadNvml(const std::string& library);

// All GPUs that the library lists and that count their energy (Volta and later), whichever of them is used: source()
// names them. Null if there are none.
std::unique_ptr<EnergyCounter> OpenNvml(NvmlFunctions nvml);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ENERGY_NVML_H_
