#include "trainer_client/models/layers.h"

#include <string>

namespace greenplan::trainer {
namespace {

std::optional<torch::Tensor> IfDefined(const torch::Tensor& tensor) {
  return tensor.defined() ? std::make_optional(tensor) : std::nullopt;
}

}  // namespace

Linear::Linear(int64_t in_features, int64_t out_features, bool has_bias) {
  weight_ = register_parameter("weight", torch::empty({out_features, in_features}));
  if (has_bias) bias_ = register_parameter("bias", torch::empty({out_features}));
}

torch::Tensor Linear::forward(const torch::Tensor& x) const {
  const torch::Tensor y = at::linear(x, weight_, IfDefined(bias_));
  if (!low_rank_) return y;
  const torch::Tensor input = low_rank_->dropout > 0 ? at::dropout(x, low_rank_->dropout, is_training()) : x;
  return y + at::linear(at::linear(input, low_rank_->a), low_rank_->b) * low_rank_->scale;
}

const LowRankAddition& Linear::AddLowRank(int64_t rank, double scale, double dropout) {
  const auto options = weight_.options().requires_grad(false);
  const auto factor = [&](const char* name, int64_t rows, int64_t columns) {
    auto module = register_module(name, std::make_shared<torch::nn::Module>());
    return module->register_parameter("weight", torch::empty({rows, columns}, options));
  };
  torch::Tensor a = factor("lora_A", rank, weight_.size(1));
  torch::Tensor b = factor("lora_B", weight_.size(0), rank);
  return low_rank_.emplace(LowRankAddition{std::move(a), std::move(b), scale, dropout});
}

Embedding::Embedding(int64_t num_embeddings, int64_t dimension, std::optional<int64_t> padding_row)
    : padding_row_(padding_row) {
  weight_ = register_parameter("weight", torch::empty({num_embeddings, dimension}));
}

torch::Tensor Embedding::forward(const torch::Tensor& ids) const {
  return at::embedding(weight_, ids, padding_row_.value_or(-1));
}

torch::Tensor Embedding::AsHead(const torch::Tensor& hidden) const { return at::linear(hidden, weight_); }

RmsNorm::RmsNorm(int64_t dimension, double epsilon) : epsilon_(epsilon) {
  weight_ = register_parameter("weight", torch::empty({dimension}));
}

torch::Tensor RmsNorm::forward(const torch::Tensor& x) const {
  const torch::Tensor wide = x.to(torch::kFloat);
  const torch::Tensor mean_square = wide.pow(2).mean(-1, /*keepdim=*/true);
  return weight_ * (wide * at::rsqrt(mean_square + epsilon_)).to(x.scalar_type());
}

LayerNorm::LayerNorm(int64_t dimension, bool affine) : dimension_(dimension) {
  if (!affine) return;
  weight_ = register_parameter("weight", torch::empty({dimension}));
  bias_ = register_parameter("bias", torch::empty({dimension}));
}

torch::Tensor LayerNorm::forward(const torch::Tensor& x) const {
  return at::layer_norm(x, {dimension_}, IfDefined(weight_), IfDefined(bias_), 1e-5);
}

void InitializeWeights(torch::nn::Module& model, double standard_deviation) {
  const torch::NoGradGuard no_grad;
  for (auto& parameter : model.named_parameters()) {
    if (parameter.value().dim() == 2) {
      parameter.value().normal_(0, standard_deviation);
    } else {
      parameter.value().fill_(parameter.key().ends_with("bias") ? 0 : 1);
    }
  }
  for (const auto& module : model.modules()) {
    const auto* embedding = module->as<Embedding>();
    if (embedding != nullptr && embedding->padding_row()) embedding->weight()[*embedding->padding_row()].zero_();
  }
}

}  // namespace greenplan::trainer
