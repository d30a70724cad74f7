#ifndef GREENPLAN_PROFILER_AUTOGRAD_RANDOM_STATE_H_
#define GREENPLAN_PROFILER_AUTOGRAD_RANDOM_STATE_H_

#include <utility>
#include <vector>

#include "ATen/core/Generator.h"
#include "ATen/core/Tensor.h"

namespace greenplan::profiler {

// The states of the default random generators of the CPU and of the devices that `tensors` lie on. Copyable.
class RandomState {
 public:
  static RandomState Current(const std::vector<at::Tensor>& tensors);
  void Restore() const;

 private:
  std::vector<std::pair<at::Generator, at::Tensor>> states_;
};

// Puts the state at its birth back when it dies.
class KeepRandomState {
 public:
  explicit KeepRandomState(const std::vector<at::Tensor>& tensors) : state_(RandomState::Current(tensors)) {}
  ~KeepRandomState() { state_.Restore(); }
  KeepRandomState(const KeepRandomState&) = delete;
  KeepRandomState& operator=(const KeepRandomState&) = delete;

 private:
  const RandomState state_;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_RANDOM_STATE_H_
