// Prints what profiling a live model costs, compared with a training step of the same model:
//
//   ./dev bench profiler

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "ATen/Functions.h"
#include "ATen/TensorOperators.h"
#include "nlohmann/json.hpp"
#include "profiler/autograd/graph_walk.h"
#include "profiler/autograd/profile.h"
#include "profiler/autograd/profile_module.h"
#include "profiler/autograd/testing/counting_allocator.h"
#include "tests/statistics/quantile.h"
#include "trainer_client/models/causal_lm.h"

namespace greenplan::profiler {
namespace {

constexpr int kRepetitions = 9;

template <typename Function>
double Milliseconds(const Function& function) {
  const auto start = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

template <typename Result>
Result Must(absl::StatusOr<Result> result) {
  if (result.ok()) return *std::move(result);
  std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
  std::exit(1);
}

template <typename Function>
int64_t PeakBytes(const Function& function) {
  const int64_t before = testing::AllocatedBytes();
  testing::ResetPeak();
  function();
  return testing::PeakAllocatedBytes() - before;
}

void BenchmarkModule() {
  const nlohmann::json config = {
      {"model_type", "llama"},    {"hidden_size", 512}, {"intermediate_size", 1376},     {"num_hidden_layers", 8},
      {"num_attention_heads", 8}, {"vocab_size", 4096}, {"max_position_embeddings", 128}};
  const std::shared_ptr<trainer::CausalLm> model = Must(trainer::CreateCausalLm(config, trainer::Attention::kSdpa));
  const at::Tensor ids = at::randint(3, 4096, {2, 64}, at::kLong);
  const auto loss = [&] { return trainer::CausalLmLoss(model->forward(ids), ids); };
  const auto profile = [&] { Must(Profile(*model, loss, {.resident = {ids}})); };
  int64_t parameter_bytes = 0;
  for (const at::Tensor& parameter : model->parameters()) parameter_bytes += static_cast<int64_t>(parameter.nbytes());

  const double megabytes = static_cast<double>(parameter_bytes) / 1e6;
  const int64_t forward_bytes = PeakBytes([&] { loss(); });
  const int64_t profile_bytes = PeakBytes(profile);
  std::printf(
      "| memory of profiling beyond a forward pass, LLaMA of %.0f MB | / the parameters' bytes | %.4f | < 1 |\n",
      megabytes, static_cast<double>(profile_bytes - forward_bytes) / static_cast<double>(parameter_bytes));

  std::vector<double> ratios;
  for (int i = 0; i < kRepetitions; ++i) {
    model->zero_grad();
    const double step = Milliseconds([&] { loss().backward(); });
    ratios.push_back(Milliseconds(profile) / step);
  }
  std::printf("| profiling it | / one forward and backward pass | %.2f | 1.3 |\n", Quantile(ratios, 0.5));
}

// A stack of residual layers, each of a norm, a linear layer, GELU and another linear layer.
struct Network {
  explicit Network(int64_t num_layers) : num_layers(num_layers) {
    for (int64_t layer = 0; layer < num_layers; ++layer) {
      const std::string name = "layers." + std::to_string(layer);
      Add(name + ".norm.weight", {kWidth});
      Add(name + ".norm.bias", {kWidth});
      Add(name + ".mlp.up.weight", {kInner, kWidth});
      Add(name + ".mlp.up.bias", {kInner});
      Add(name + ".mlp.down.weight", {kWidth, kInner});
      Add(name + ".mlp.down.bias", {kWidth});
    }
  }

  void Add(const std::string& name, at::IntArrayRef shape) {
    parameters.emplace_back(name, at::randn(shape).set_requires_grad(true));
  }

  at::Tensor Loss() const {
    at::Tensor x = at::ones({2, 3, kWidth});
    for (int64_t layer = 0; layer < num_layers; ++layer) {
      const auto parameter = [&](int i) { return parameters[layer * 6 + i].second; };
      const at::Tensor normed = at::layer_norm(x, {kWidth}, parameter(0), parameter(1));
      const at::Tensor inner = at::gelu(at::linear(normed, parameter(2), parameter(3)));
      x = x + at::linear(inner, parameter(4), parameter(5));
    }
    return x.sum();
  }

  static constexpr int64_t kWidth = 8, kInner = 16;
  int64_t num_layers;
  NamedParameters parameters;
};

void BenchmarkWalk(int64_t num_layers) {
  const Network network(num_layers);
  const at::Tensor loss = network.Loss();
  std::vector<double> walks, profiles;
  size_t nodes = 0;
  for (int i = 0; i < 10 * kRepetitions; ++i) {
    walks.push_back(Milliseconds([&] { nodes = Must(WalkGraph(*loss.grad_fn())).nodes.size(); }));
    profiles.push_back(Milliseconds([&] { Must(Profile(loss, network.parameters)); }));
  }
  std::printf("| walking a graph of %zu nodes | ms | %.2f | 2 per 1,000 nodes |\n", nodes, Quantile(walks, 0.5));
  std::printf("| the whole profile of it | ms | %.2f | |\n", Quantile(profiles, 0.5));
}

void Run() {
  testing::InstallCountingAllocator();
  std::printf("| case | measure | median | aim |\n| --- | --- | --- | --- |\n");
  BenchmarkModule();
  BenchmarkWalk(60);
}

}  // namespace
}  // namespace greenplan::profiler

int main() { greenplan::profiler::Run(); }
