#ifndef GREENPLAN_TRAINER_CLIENT_OPTIMIZER_LEARNING_RATE_H_
#define GREENPLAN_TRAINER_CLIENT_OPTIMIZER_LEARNING_RATE_H_

#include <cstdint>

namespace greenplan::trainer {

// A schedule of learning rates for the steps 0, 1, ..., total_steps - 1. The rate rises linearly over the first
// warmup_steps steps and reaches `peak` at the last of them. Then it falls by half a cosine,
//
//   peak * (1 + cos(pi * (step - warmup_steps) / (total_steps - warmup_steps))) / 2.
//
// If the peak is positive, so is the rate at each of these steps. Otherwise the update, and with it every importance,
// would be 0 there. After the last step the rate is 0.
//
//   const CosineSchedule schedule{.peak = 5e-5, .warmup_steps = 10, .total_steps = 100};
//   optimizer.set_learning_rate(schedule.LearningRate(step));
struct CosineSchedule {
  double peak = 0;           // >= 0.
  int64_t warmup_steps = 0;  // In [0, total_steps].
  int64_t total_steps = 0;

  // Returns the learning rate of `step`, which must be >= 0.
  double LearningRate(int64_t step) const;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_OPTIMIZER_LEARNING_RATE_H_
