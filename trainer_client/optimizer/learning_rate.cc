#include "trainer_client/optimizer/learning_rate.h"

#include <cmath>
#include <numbers>

namespace greenplan::trainer {

double CosineSchedule::LearningRate(int64_t step) const {
  if (step < warmup_steps) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  if (step >= total_steps) return 0;
  const double progress = static_cast<double>(step - warmup_steps) / static_cast<double>(total_steps - warmup_steps);
  return peak * 0.5 * (1 + std::cos(std::numbers::pi * progress));
}

}  // namespace greenplan::trainer
