#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_LAYERS_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_LAYERS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "torch/nn/module.h"

namespace greenplan::trainer {

// The layers that decoder-only transformers are made of. Their parameters are float32 and not initialised: a model is
// either loaded, which fills every one, or given random weights by InitializeWeights().

// x W^T + b; weight [out_features, in_features], bias [out_features].
class Linear : public torch::nn::Module {
 public:
  Linear(int64_t in_features, int64_t out_features, bool has_bias);
  torch::Tensor forward(const torch::Tensor& x) const;

 private:
  torch::Tensor weight_;
  torch::Tensor bias_;
};

// Row `ids` of weight [num_embeddings, dimension]. Looking up the padding row gives it no gradient.
class Embedding : public torch::nn::Module {
 public:
  Embedding(int64_t num_embeddings, int64_t dimension, std::optional<int64_t> padding_row = std::nullopt);
  torch::Tensor forward(const torch::Tensor& ids) const;
  // Logits of a head that shares this weight.
  torch::Tensor AsHead(const torch::Tensor& hidden) const;

  const torch::Tensor& weight() const { return weight_; }
  std::optional<int64_t> padding_row() const { return padding_row_; }

 private:
  torch::Tensor weight_;
  std::optional<int64_t> padding_row_;
};

// weight * x / sqrt(mean(x^2) + epsilon), over the last dimension; computed in float32.
class RmsNorm : public torch::nn::Module {
 public:
  RmsNorm(int64_t dimension, double epsilon);
  torch::Tensor forward(const torch::Tensor& x) const;

 private:
  torch::Tensor weight_;
  double epsilon_;
};

// Layer normalisation over the last dimension, epsilon 1e-5; `affine`: with weight and bias.
class LayerNorm : public torch::nn::Module {
 public:
  LayerNorm(int64_t dimension, bool affine);
  torch::Tensor forward(const torch::Tensor& x) const;

 private:
  int64_t dimension_;
  torch::Tensor weight_;
  torch::Tensor bias_;
};

// Registers `layers` under "0", "1", ... below `name`.
template <typename Layer>
void RegisterLayers(torch::nn::Module& parent, const std::string& name,
                    const std::vector<std::shared_ptr<Layer>>& layers) {
  auto list = parent.register_module(name, std::make_shared<torch::nn::Module>());
  for (size_t i = 0; i < layers.size(); ++i) list->register_module(std::to_string(i), layers[i]);
}

// Matrices normal with that standard deviation (torch's global generator), biases and padding rows 0, norms' weights 1.
void InitializeWeights(torch::nn::Module& model, double standard_deviation);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_LAYERS_H_
