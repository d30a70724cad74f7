#ifndef GREENPLAN_PROFILER_AUTOGRAD_TESTING_BUILDER_H_
#define GREENPLAN_PROFILER_AUTOGRAD_TESTING_BUILDER_H_

#include <memory>
#include <string>
#include <utility>

#include "ATen/Functions.h"
#include "ATen/TensorOperators.h"
#include "profiler/autograd/testing/models.h"
#include "profiler/autograd/testing/test_device.h"

namespace greenplan::profiler::testing {

// Collects the parameters and inputs of a model under construction.
class Builder {
 public:
  // Returns a new parameter with random values.
  at::Tensor Parameter(const std::string& name, at::IntArrayRef shape) {
    at::Tensor parameter = Randn(shape).mul_(0.2).set_requires_grad(true);
    parameters_.emplace_back(name, parameter);
    return parameter;
  }

  // Moves `input` to the device of the tests, registers it as part of the batch and returns it.
  at::Tensor Input(const at::Tensor& input) {
    inputs_.push_back(input.to(TestDevice()));
    return inputs_.back();
  }

  // Returns the model. `loss` has to keep the tensors that it uses alive. Call it once, last.
  Model Build(std::string name, std::function<at::Tensor()> loss) {
    return {.name = std::move(name),
            .parameters = std::move(parameters_),
            .inputs = std::move(inputs_),
            .loss = std::move(loss)};
  }

 private:
  NamedParameters parameters_;
  std::vector<at::Tensor> inputs_;
};

// Layers, which register their parameters with a builder when they are made.
struct Linear {
  Linear(Builder& builder, const std::string& name, int64_t in, int64_t out, bool has_bias = true)
      : weight(builder.Parameter(name + ".weight", {out, in})) {
    if (has_bias) bias = builder.Parameter(name + ".bias", {out});
  }
  at::Tensor operator()(const at::Tensor& x) const { return at::linear(x, weight, bias); }

  at::Tensor weight;
  at::Tensor bias;
};

struct LayerNorm {
  LayerNorm(Builder& builder, const std::string& name, int64_t size)
      : weight(builder.Parameter(name + ".weight", {size})), bias(builder.Parameter(name + ".bias", {size})) {}
  at::Tensor operator()(const at::Tensor& x) const { return at::layer_norm(x, weight.sizes(), weight, bias); }

  at::Tensor weight;
  at::Tensor bias;
};

struct RmsNorm {
  RmsNorm(Builder& builder, const std::string& name, int64_t size)
      : weight(builder.Parameter(name + ".weight", {size})) {}
  at::Tensor operator()(const at::Tensor& x) const { return x * at::rsqrt(x.pow(2).mean(-1, true) + 1e-6) * weight; }

  at::Tensor weight;
};

// Reshapes [batch, length, heads * depth] to [batch, heads, length, depth], and back.
inline at::Tensor SplitHeads(const at::Tensor& x, int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, -1}).transpose(1, 2);
}
inline at::Tensor MergeHeads(const at::Tensor& x) { return x.transpose(1, 2).flatten(2); }

// Returns the cross-entropy loss of logits [batch, length, vocabulary] against targets [batch, length].
inline at::Tensor TokenLoss(const at::Tensor& logits, const at::Tensor& targets) {
  return at::cross_entropy_loss(logits.flatten(0, 1), targets.flatten());
}

}  // namespace greenplan::profiler::testing

#endif  // GREENPLAN_PROFILER_AUTOGRAD_TESTING_BUILDER_H_
