#include "trainer_client/session/random_state.h"

#include <mutex>

#include "ATen/Context.h"

namespace greenplan::trainer {
namespace {

std::vector<at::Device> DevicesInUse() {
  std::vector<at::Device> devices = {at::Device(at::kCPU)};
  if (!at::hasCUDA()) return devices;
  for (c10::DeviceIndex i = 0; i < static_cast<c10::DeviceIndex>(at::getNumGPUs()); ++i) {
    // Asking an untouched device for its generator would set the device up.
    if (at::detail::getCUDAHooks().hasPrimaryContext(i)) devices.emplace_back(at::kCUDA, i);
  }
  return devices;
}

}  // namespace

RandomState GetRandomState() {
  RandomState state;
  for (const at::Device& device : DevicesInUse()) {
    at::Generator generator = at::globalContext().defaultGenerator(device);
    std::lock_guard<std::mutex> lock(generator.mutex());
    state.emplace_back(device, generator.get_state());
  }
  return state;
}

void SetRandomState(const RandomState& state) {
  for (const auto& [device, generator_state] : state) {
    at::Generator generator = at::globalContext().defaultGenerator(device);
    std::lock_guard<std::mutex> lock(generator.mutex());
    generator.set_state(generator_state);
  }
}

}  // namespace greenplan::trainer
