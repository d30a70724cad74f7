#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_ROPE_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_ROPE_H_

#include "ATen/core/Tensor.h"
#include "trainer_client/models/rope_config.h"

namespace greenplan::trainer {

// Rotary position embedding (Su et al., 2021, "RoFormer"). At position t the pair of dimensions i and i + head_dim / 2
// is rotated by the angle t * frequency_i. The frequency is theta^(-2i / head_dim), scaled as the config says.
// Immutable and thread-safe.
//
//   const RotaryEmbedding rotary(config.rope, config.head_dim);
//   const auto angles = rotary.AnglesFor(length, query);
//   query = ApplyRotary(query, angles);
class RotaryEmbedding {
 public:
  // REQUIRES: head_dim is even.
  RotaryEmbedding(const RopeConfig& config, int64_t head_dim);

  // The cosines and sines of the angles at positions 0 .. length - 1. Each is [length, head_dim].
  struct Angles {
    at::Tensor cosines;
    at::Tensor sines;
  };

  // Returns the angles in the dtype and on the device of `like`.
  Angles AnglesFor(int64_t length, const at::Tensor& like) const;

  // Returns the frequencies [head_dim / 2] for sequences of `length` tokens, in float32 on the CPU. They depend on the
  // length with dynamic scaling and with LongRoPE alone.
  at::Tensor FrequenciesFor(int64_t length) const;

 private:
  const RopeConfig config_;
  const int64_t head_dim_;
  at::Tensor frequencies_;       // Of sequences that are not long in the sense of the config.
  at::Tensor long_frequencies_;  // Of LongRoPE.
};

// Returns `x` [batch, heads, length, head_dim] rotated by the angles, in the same shape.
at::Tensor ApplyRotary(const at::Tensor& x, const RotaryEmbedding::Angles& angles);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_ROPE_H_
