#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_ROPE_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_ROPE_H_

#include "ATen/core/Tensor.h"
#include "trainer_client/models/rope_config.h"

namespace greenplan::trainer {

// Rotary position embedding: in the two halves of a head, dimension i of position t turns by the angle
// t * frequency_i, where frequency_i = theta^(-2i / head_dim), rescaled as the config says.
// Immutable; thread-safe.
class RotaryEmbedding {
 public:
  // REQUIRES: head_dim is even.
  RotaryEmbedding(const RopeConfig& config, int64_t head_dim);

  // Cosines and sines of positions 0 .. length - 1, each [length, head_dim], with `like`'s dtype and device.
  struct Angles {
    at::Tensor cosines;
    at::Tensor sines;
  };
  Angles AnglesFor(int64_t length, const at::Tensor& like) const;

  // [head_dim / 2], float32 on the CPU.
  const at::Tensor& frequencies() const { return frequencies_; }

 private:
  at::Tensor frequencies_;
};

// x: [batch, heads, length, head_dim], same shape back.
at::Tensor ApplyRotary(const at::Tensor& x, const RotaryEmbedding::Angles& angles);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_ROPE_H_
