#ifndef GREENPLAN_TRAINER_CLIENT_OPTIMIZER_ADAMW_KERNEL_H_
#define GREENPLAN_TRAINER_CLIENT_OPTIMIZER_ADAMW_KERNEL_H_

#include <cstdint>

namespace greenplan::trainer {

// One step of AdamW, as LibTorch's fused kernel computes it. Knows nothing of tensors.
struct AdamWStep {
  // 1 - learning_rate * weight_decay.
  float decay;

  // 1 - beta1, rounded once to float.
  float exp_avg_gain;

  // beta2, and 1 - beta2, which is rounded once.
  float exp_avg_sq_decay;
  float exp_avg_sq_gain;

  // learning_rate / (1 - beta1^step).
  float step_size;

  // sqrt(1 - beta2^step).
  float bias_correction2_sqrt;
  float epsilon;
};

// The arrays of `count` elements that the step reads. Both moments are null for a parameter that has never been
// stepped.
struct AdamWArrays {
  const float* parameter;
  const float* gradient;
  const float* exp_avg;
  const float* exp_avg_sq;
  int64_t count;
};

// Returns the sum of direction[i] * (w'[i] - w[i]) in double, where w' is the parameter after the step. Changes nothing
// and takes no memory to speak of: each array is read once. Uses up to `max_threads` threads; the result does not
// depend on how many. w' has the rounding errors of float32, but not always the same as those of LibTorch's kernel.
double ProductWithAdamWUpdate(const AdamWArrays& arrays, const float* direction, const AdamWStep& step,
                              int max_threads);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_OPTIMIZER_ADAMW_KERNEL_H_
