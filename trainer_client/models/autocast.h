#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_AUTOCAST_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_AUTOCAST_H_

#include <optional>

#include "c10/core/DeviceType.h"
#include "c10/core/ScalarType.h"

namespace greenplan::trainer {

// Whether LibTorch casts the operands of matrix products and attention on a kind of device, and to which type. Weights,
// gradients and optimizer state stay what they are, float32 for instance.
struct Autocast {
  c10::DeviceType device = c10::DeviceType::CPU;
  std::optional<c10::ScalarType> dtype = {};  // Absent: nothing is cast.

  // Returns what this thread does now on devices of that kind.
  static Autocast Current(c10::DeviceType device);
};

// Makes this thread cast, or not cast, as long as the object lives. The destructor restores what the thread did before.
// LibTorch keeps the cast copies of weights until the outermost scope that casts ends, so let a scope end with the
// forward pass: the weights change afterwards.
class AutocastScope {
 public:
  explicit AutocastScope(const Autocast& autocast);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  const Autocast before_;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_AUTOCAST_H_
