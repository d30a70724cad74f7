#ifndef GREENPLAN_PROFILER_AUTOGRAD_RANDOM_STATE_H_
#define GREENPLAN_PROFILER_AUTOGRAD_RANDOM_STATE_H_

#include <utility>
#include <vector>

#include "ATen/core/Generator.h"
#include "ATen/core/Tensor.h"

namespace greenplan::profiler {

// A copy of the states of LibTorch's default random generators. Copyable. The generators are locked while they are read
// or set, so the calls are thread-safe, but other threads that draw random numbers change what is read.
class RandomState {
 public:
  // Returns the states of the generators of the CPU and of every device that one of `tensors` is on. Undefined and meta
  // tensors are ignored.
  static RandomState Current(const std::vector<at::Tensor>& tensors);

  // Sets the generators to these states.
  void Restore() const;

 private:
  std::vector<std::pair<at::Generator, at::Tensor>> states_;
};

// Reads the random state on construction. The destructor restores it.
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
