#ifndef GREENPLAN_PROFILER_AUTOGRAD_TESTING_TEST_DEVICE_H_
#define GREENPLAN_PROFILER_AUTOGRAD_TESTING_TEST_DEVICE_H_

#include <cstdlib>

#include "ATen/ops/randn.h"
#include "c10/core/Device.h"

namespace greenplan::profiler::testing {

// Returns the device that tests compute on: the one that the environment variable GREENPLAN_TEST_DEVICE names, such as
// "cuda:0", and otherwise the CPU.
inline at::Device TestDevice() {
  const char* name = std::getenv("GREENPLAN_TEST_DEVICE");
  return at::Device(name == nullptr ? "cpu" : name);
}

// Returns normally distributed numbers on that device. They are drawn on the CPU, so they do not depend on the device.
inline at::Tensor Randn(at::IntArrayRef shape) { return at::randn(shape).to(TestDevice()); }

}  // namespace greenplan::profiler::testing

#endif  // GREENPLAN_PROFILER_AUTOGRAD_TESTING_TEST_DEVICE_H_
