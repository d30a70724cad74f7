#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_RANDOM_STATE_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_RANDOM_STATE_H_

#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "c10/core/Device.h"

namespace greenplan::trainer {

// The states of LibTorch's default random generators, as uint8 tensors that can be kept and put back bit for bit: the
// CPU's first, then those of the CUDA devices that this process has used.
//
//   const RandomState before = GetRandomState();
//   ... draw ...
//   SetRandomState(before);  // The same numbers come again.
using RandomState = std::vector<std::pair<at::Device, at::Tensor>>;

// Returns copies of the states as they are now.
RandomState GetRandomState();
// Puts the states back.
void SetRandomState(const RandomState& state);

// Leaves the random generators, at the end of its scope, as it found them.
class RandomStateGuard {
 public:
  RandomStateGuard() : state_(GetRandomState()) {}
  ~RandomStateGuard() { SetRandomState(state_); }
  RandomStateGuard(const RandomStateGuard&) = delete;
  RandomStateGuard& operator=(const RandomStateGuard&) = delete;

 private:
  const RandomState state_;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_RANDOM_STATE_H_
