#include "profiler/autograd/random_state.h"

#include <algorithm>
#include <mutex>

#include "ATen/Context.h"

namespace greenplan::profiler {

RandomState RandomState::Current(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Device> devices = {at::kCPU};
  for (const at::Tensor& tensor : tensors) {
    if (!tensor.defined() || tensor.is_meta()) continue;
    if (std::find(devices.begin(), devices.end(), tensor.device()) == devices.end()) devices.push_back(tensor.device());
  }
  RandomState result;
  for (const at::Device& device : devices) {
    at::Generator generator = at::globalContext().defaultGenerator(device);
    const std::lock_guard lock(generator.mutex());
    result.states_.emplace_back(generator, generator.get_state());
  }
  return result;
}

void RandomState::Restore() const {
  for (const auto& [generator, state] : states_) {
    at::Generator to = generator;
    const std::lock_guard lock(to.mutex());
    to.set_state(state);
  }
}

}  // namespace greenplan::profiler
