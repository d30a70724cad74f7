// How long Profile() takes to read a graph, beside one forward and backward pass. Arguments: the
// number of residual layers; `nodes` is the size of the graph.

#include <set>

#include "ATen/Functions.h"
#include "ATen/TensorOperators.h"
#include "benchmark/benchmark.h"
#include "profiler/autograd/profile.h"
#include "torch/csrc/autograd/function.h"

namespace greenplan::profiler {
namespace {

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

int64_t CountNodes(const at::Tensor& loss) {
  std::set<torch::autograd::Node*> seen = {loss.grad_fn().get()};
  std::vector<torch::autograd::Node*> stack = {loss.grad_fn().get()};
  while (!stack.empty()) {
    torch::autograd::Node* node = stack.back();
    stack.pop_back();
    for (const torch::autograd::Edge& edge : node->next_edges()) {
      if (edge.is_valid() && seen.insert(edge.function.get()).second) stack.push_back(edge.function.get());
    }
  }
  return static_cast<int64_t>(seen.size());
}

void BM_Profile(benchmark::State& state) {
  const Network network(state.range(0));
  const at::Tensor loss = network.Loss();
  for (auto _ : state) {
    auto profile = Profile(loss, network.parameters);
    if (!profile.ok()) state.SkipWithError(profile.status().ToString().c_str());
    state.counters["ops"] = static_cast<double>(profile->ops.size());
  }
  state.counters["nodes"] = static_cast<double>(CountNodes(loss));
}
BENCHMARK(BM_Profile)->Arg(6)->Arg(60)->Arg(600)->Unit(benchmark::kMicrosecond);

void BM_ForwardAndBackward(benchmark::State& state) {
  const Network network(state.range(0));
  for (auto _ : state) network.Loss().backward();
}
BENCHMARK(BM_ForwardAndBackward)->Arg(60)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace greenplan::profiler

BENCHMARK_MAIN();
