#include "trainer_client/models/rope.h"

#include <numbers>

#include "ATen/TensorOperators.h"
#include "ATen/ops/arange.h"
#include "ATen/ops/cat.h"
#include "ATen/ops/outer.h"
#include "ATen/ops/pow.h"
#include "ATen/ops/where.h"

namespace greenplan::trainer {
namespace {

// The scaling of Llama 3.1: long waves are stretched by `factor`, short waves stay, and the waves between are blended.
at::Tensor ScaleAsLlama3(const at::Tensor& frequencies, const RopeConfig& config) {
  const double context = static_cast<double>(config.original_max_position_embeddings);
  const double longest_blended = context / config.low_freq_factor;
  const double shortest_blended = context / config.high_freq_factor;
  const at::Tensor wavelengths = 2 * std::numbers::pi / frequencies;
  const at::Tensor stretched = at::where(wavelengths > longest_blended, frequencies / config.factor, frequencies);
  const at::Tensor blend =
      (context / wavelengths - config.low_freq_factor) / (config.high_freq_factor - config.low_freq_factor);
  const at::Tensor blended = (1 - blend) * stretched / config.factor + blend * stretched;
  const at::Tensor is_between = (wavelengths >= shortest_blended).logical_and(wavelengths <= longest_blended);
  return at::where(is_between, blended, stretched);
}

at::Tensor RotateHalf(const at::Tensor& x) {
  const int64_t half = x.size(-1) / 2;
  return at::cat({-x.narrow(-1, half, half), x.narrow(-1, 0, half)}, /*dim=*/-1);
}

}  // namespace

RotaryEmbedding::RotaryEmbedding(const RopeConfig& config, int64_t head_dim) {
  frequencies_ = 1.0 / at::pow(config.theta, at::arange(0, head_dim, 2, at::kFloat) / head_dim);
  if (config.type == RopeConfig::Type::kLinear) frequencies_ = frequencies_ / config.factor;
  if (config.type == RopeConfig::Type::kLlama3) frequencies_ = ScaleAsLlama3(frequencies_, config);
}

RotaryEmbedding::Angles RotaryEmbedding::AnglesFor(int64_t length, const at::Tensor& like) const {
  const at::Tensor positions = at::arange(length, like.options().dtype(at::kFloat));
  const at::Tensor half = at::outer(positions, frequencies_.to(like.device()));
  const at::Tensor angles = at::cat({half, half}, /*dim=*/-1);
  return {angles.cos().to(like.scalar_type()), angles.sin().to(like.scalar_type())};
}

at::Tensor ApplyRotary(const at::Tensor& x, const RotaryEmbedding::Angles& angles) {
  return x * angles.cosines + RotateHalf(x) * angles.sines;
}

}  // namespace greenplan::trainer
