#include "trainer_client/models/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "ATen/TensorOperators.h"
#include "ATen/ops/arange.h"
#include "ATen/ops/cat.h"
#include "ATen/ops/clamp.h"
#include "ATen/ops/outer.h"
#include "ATen/ops/pow.h"
#include "ATen/ops/tensor.h"
#include "ATen/ops/where.h"

namespace greenplan::trainer {
namespace {

using Type = RopeConfig::Type;

// theta^(2i / head_dim), the inverse of the unscaled frequencies.
at::Tensor PositionsPerRadian(double theta, int64_t head_dim) {
  return at::pow(theta, at::arange(0, head_dim, 2, at::kFloat) / head_dim);
}

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

// The pair of dimensions, as a real number, that turns `turns` times within the original context.
double PairThatTurns(double turns, const RopeConfig& config, int64_t head_dim) {
  const double context = static_cast<double>(config.original_max_position_embeddings);
  return static_cast<double>(head_dim) * std::log(context / (turns * 2 * std::numbers::pi)) /
         (2 * std::log(config.theta));
}

// The scaling of YaRN: a ramp over the pairs of dimensions goes from the frequencies as they are to those divided by
// `factor`.
at::Tensor ScaleAsYarn(const RopeConfig& config, int64_t head_dim) {
  double low = PairThatTurns(config.beta_fast, config, head_dim);
  double high = PairThatTurns(config.beta_slow, config, head_dim);
  if (config.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(head_dim - 1));
  if (low == high) high += 0.001;
  const at::Tensor stretched_share = at::clamp((at::arange(head_dim / 2, at::kFloat) - low) / (high - low), 0, 1);
  const at::Tensor kept_share = 1 - stretched_share;
  const at::Tensor positions_per_radian = PositionsPerRadian(config.theta, head_dim);
  return 1.0 / (config.factor * positions_per_radian) * (1 - kept_share) + 1.0 / positions_per_radian * kept_share;
}

at::Tensor ScaleAsLongRope(const std::vector<double>& factors, const RopeConfig& config, int64_t head_dim) {
  return 1.0 / (at::tensor(factors, at::kFloat) * PositionsPerRadian(config.theta, head_dim));
}

// theta grows so that the longest wave covers the whole sequence.
at::Tensor ScaleDynamically(const RopeConfig& config, int64_t head_dim, int64_t length) {
  const double context = static_cast<double>(config.max_position_embeddings),
               dimensions = static_cast<double>(head_dim);
  const double growth = config.factor * static_cast<double>(length) / context - (config.factor - 1);
  return 1.0 / PositionsPerRadian(config.theta * std::pow(growth, dimensions / (dimensions - 2)), head_dim);
}

at::Tensor RotateHalf(const at::Tensor& x) {
  const int64_t half = x.size(-1) / 2;
  return at::cat({-x.narrow(-1, half, half), x.narrow(-1, 0, half)}, /*dim=*/-1);
}

}  // namespace

RotaryEmbedding::RotaryEmbedding(const RopeConfig& config, int64_t head_dim) : config_(config), head_dim_(head_dim) {
  frequencies_ = 1.0 / PositionsPerRadian(config.theta, head_dim);
  if (config.type == Type::kLinear) frequencies_ = frequencies_ / config.factor;
  if (config.type == Type::kLlama3) frequencies_ = ScaleAsLlama3(frequencies_, config);
  if (config.type == Type::kYarn) frequencies_ = ScaleAsYarn(config, head_dim);
  if (config.type == Type::kLongRope) {
    frequencies_ = ScaleAsLongRope(config.short_factor, config, head_dim);
    long_frequencies_ = ScaleAsLongRope(config.long_factor, config, head_dim);
  }
}

at::Tensor RotaryEmbedding::FrequenciesFor(int64_t length) const {
  if (config_.type == Type::kDynamic && length > config_.max_position_embeddings) {
    return ScaleDynamically(config_, head_dim_, length);
  }
  const bool is_long = config_.type == Type::kLongRope && length > config_.original_max_position_embeddings;
  return is_long ? long_frequencies_ : frequencies_;
}

RotaryEmbedding::Angles RotaryEmbedding::AnglesFor(int64_t length, const at::Tensor& like) const {
  const at::Tensor positions = at::arange(length, like.options().dtype(at::kFloat));
  const at::Tensor half = at::outer(positions, FrequenciesFor(length).to(like.device()));
  const at::Tensor angles = at::cat({half, half}, /*dim=*/-1);
  const auto scaled = [&](const at::Tensor& x) {
    return (config_.attention_factor == 1 ? x : x * config_.attention_factor).to(like.scalar_type());
  };
  return {scaled(angles.cos()), scaled(angles.sin())};
}

at::Tensor ApplyRotary(const at::Tensor& x, const RotaryEmbedding::Angles& angles) {
  return x * angles.cosines + RotateHalf(x) * angles.sines;
}

}  // namespace greenplan::trainer
