#ifndef GREENPLAN_TRAINER_CLIENT_MODELS_LAYERS_H_
#define GREENPLAN_TRAINER_CLIENT_MODELS_LAYERS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "torch/nn/module.h"

namespace greenplan::trainer {

// The layers of decoder-only transformers. Their parameters are float32 and not initialised: either loading a
// checkpoint fills all of them, or InitializeWeights() does.

// A low-rank addition to a linear layer: scale * (dropout(x) A^T) B^T with A [rank, in_features] and B [out_features,
// rank] (LoRA, ICLR 2022).
struct LowRankAddition {
  torch::Tensor a;
  torch::Tensor b;
  double scale;
  double dropout;  // Probability with which an entry of x is dropped in training.
};

// Computes x W^T + b with weight [out_features, in_features] and, if there is one, bias [out_features]; then the
// low-rank addition, if there is one.
class Linear : public torch::nn::Module {
 public:
  Linear(int64_t in_features, int64_t out_features, bool has_bias);

  // Takes [.., in_features] and returns [.., out_features].
  torch::Tensor forward(const torch::Tensor& x) const;

  // Adds the parameters lora_A.weight and lora_B.weight, which are not initialised. REQUIRES: there are none yet.
  const LowRankAddition& AddLowRank(int64_t rank, double scale, double dropout);
  // Returns the addition, or null if there is none. Valid as long as the layer.
  const LowRankAddition* low_rank() const { return low_rank_ ? &*low_rank_ : nullptr; }

  const torch::Tensor& weight() const { return weight_; }

 private:
  torch::Tensor weight_;
  torch::Tensor bias_;
  std::optional<LowRankAddition> low_rank_;
};

// Looks up the rows `ids` of weight [num_embeddings, dimension]. The padding row gets no gradient from look-ups.
class Embedding : public torch::nn::Module {
 public:
  Embedding(int64_t num_embeddings, int64_t dimension, std::optional<int64_t> padding_row = std::nullopt);

  // Takes int64 ids of any shape [..] and returns [.., dimension].
  torch::Tensor forward(const torch::Tensor& ids) const;
  // Returns the logits [.., num_embeddings] of a head that shares this weight.
  torch::Tensor AsHead(const torch::Tensor& hidden) const;

  const torch::Tensor& weight() const { return weight_; }
  std::optional<int64_t> padding_row() const { return padding_row_; }

 private:
  torch::Tensor weight_;
  std::optional<int64_t> padding_row_;
};

// Computes weight * x / sqrt(mean(x^2) + epsilon), where the mean is over the last dimension. The mean and the quotient
// are computed in float32.
class RmsNorm : public torch::nn::Module {
 public:
  RmsNorm(int64_t dimension, double epsilon);

  // Takes [.., dimension] and returns the same shape and dtype.
  torch::Tensor forward(const torch::Tensor& x) const;

 private:
  torch::Tensor weight_;
  double epsilon_;
};

// Layer normalisation over the last dimension, with epsilon 1e-5. It has a weight and a bias if `affine` is true.
class LayerNorm : public torch::nn::Module {
 public:
  LayerNorm(int64_t dimension, bool affine);

  // Takes [.., dimension] and returns the same shape.
  torch::Tensor forward(const torch::Tensor& x) const;

 private:
  int64_t dimension_;
  torch::Tensor weight_;
  torch::Tensor bias_;
};

// Registers `layers` as the modules NAME.0, NAME.1, ... of `parent`.
template <typename Layer>
void RegisterLayers(torch::nn::Module& parent, const std::string& name,
                    const std::vector<std::shared_ptr<Layer>>& layers) {
  auto list = parent.register_module(name, std::make_shared<torch::nn::Module>());
  for (size_t i = 0; i < layers.size(); ++i) list->register_module(std::to_string(i), layers[i]);
}

// Sets all parameters of `model`: matrices to normal random numbers of that standard deviation, drawn from LibTorch's
// global generator, biases and padding rows to 0, and the weights of norms to 1.
void InitializeWeights(torch::nn::Module& model, double standard_deviation);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_MODELS_LAYERS_H_
