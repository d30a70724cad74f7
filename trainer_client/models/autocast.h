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

  // What this thread does now.
  static Autocast Current(c10::DeviceType device);
};

// Casts, or does not, as long as it lives; then this thread does what it did before. Copies of weights are kept for the
// outermost scope that casts, so let a scope end with the forward pass: weights change afterwards.
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
