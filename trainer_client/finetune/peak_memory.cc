#include "trainer_client/finetune/peak_memory.h"

#include <cstddef>
#include <fstream>
#include <string>

#include "c10/core/CachingDeviceAllocator.h"
#include "profiler/autograd/freed_memory.h"

namespace greenplan::trainer {

int64_t PeakMemoryBytes(const at::Device& device) {
  if (!device.is_cpu()) {
    const auto stats = at::getDeviceAllocator(device.type())->getDeviceStats(device.index());
    return stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
  }
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key;) {
    int64_t kilobytes = 0;
    if (key == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

bool ResetPeakMemory(const at::Device& device) {
  if (!device.is_cpu()) {
    at::getDeviceAllocator(device.type())->resetPeakStats(device.index());
    return true;
  }
  profiler::ReturnFreedMemory();
  std::ofstream clear_refs("/proc/self/clear_refs");
  clear_refs << "5" << std::flush;  // proc(5): resets VmHWM.
  return clear_refs.good();
}

}  // namespace greenplan::trainer
