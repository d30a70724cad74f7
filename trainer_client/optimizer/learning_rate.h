#ifndef GREENPLAN_TRAINER_CLIENT_OPTIMIZER_LEARNING_RATE_H_
#define GREENPLAN_TRAINER_CLIENT_OPTIMIZER_LEARNING_RATE_H_

#include <cstdint>

namespace greenplan::trainer {

// The learning rate of step 0, 1, ..., total_steps - 1: a linear rise over the first warmup_steps steps, to `peak` at
// the last of them, then half a cosine towards 0,
//   peak * (1 + cos(pi * (step - warmup_steps) / (total_steps - warmup_steps))) / 2.
// Positive at every one of these steps, so that no update, and no importance, is 0 by the schedule alone; 0 afterwards.
struct CosineSchedule {
  double peak = 0;           // >= 0.
  int64_t warmup_steps = 0;  // In [0, total_steps].
  int64_t total_steps = 0;

  double LearningRate(int64_t step) const;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_OPTIMIZER_LEARNING_RATE_H_
