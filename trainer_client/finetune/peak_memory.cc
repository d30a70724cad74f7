#include "trainer_client/finetune/peak_memory.h"

#include <fstream>
#include <string>

#include "profiler/autograd/freed_memory.h"

namespace greenplan::trainer {

int64_t PeakMemoryBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key;) {
    int64_t kilobytes = 0;
    if (key == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

bool ResetPeakMemory() {
  profiler::ReturnFreedMemory();
  std::ofstream clear_refs("/proc/self/clear_refs");
  clear_refs << "5" << std::flush;  // proc(5): resets VmHWM.
  return clear_refs.good();
}

}  // namespace greenplan::trainer
