#include "profiler/autograd/backward_timer.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "c10/core/impl/VirtualGuardImpl.h"
#include "torch/csrc/autograd/autograd.h"
#include "torch/csrc/autograd/function.h"

namespace greenplan::profiler {
namespace {

using torch::autograd::variable_list;

struct Start {
  int node = 0;
  int64_t nanoseconds = 0;
};

// Notes when a node starts. This is a pre hook because the engine keeps a node's outputs for its post hooks, and a
// gradient that somebody else holds is copied into `grad` where it would otherwise be moved.
class StartHook : public torch::autograd::FunctionPreHook {
 public:
  StartHook(int node, const NanosecondClock& clock, std::vector<Start>& starts)
      : node_(node), clock_(clock), starts_(starts) {}

  variable_list operator()(const variable_list& gradients) override {
    starts_.push_back({node_, clock_()});
    return gradients;
  }

 private:
  const int node_;
  const NanosecondClock& clock_;
  std::vector<Start>& starts_;
};

// Holds a hook on every node that the engine runs itself, and removes the hooks when it is destroyed.
class StartHooks {
 public:
  StartHooks(const AutogradGraph& graph, const NanosecondClock& clock, std::vector<Start>& starts) {
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      if (graph.nodes[i].recomputed) continue;
      auto hook = std::make_unique<StartHook>(static_cast<int>(i), clock, starts);
      hooks_.emplace_back(graph.nodes[i].node, hook.get());
      graph.nodes[i].node->add_pre_hook(std::move(hook));
    }
  }
  ~StartHooks() {
    for (const auto& [node, hook] : hooks_) {
      std::erase_if(node->pre_hooks(), [hook = hook](const auto& other) { return other.get() == hook; });
    }
  }
  StartHooks(const StartHooks&) = delete;
  StartHooks& operator=(const StartHooks&) = delete;

 private:
  std::vector<std::pair<torch::autograd::Node*, const StartHook*>> hooks_;
};

}  // namespace

NanosecondClock AfterWorkOn(const at::Device& device, NanosecondClock clock) {
  if (device.is_cpu()) return clock;
  return [device, clock = std::move(clock)] {
    c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
    return clock();
  };
}

BackwardTimes TimeBackward(const at::Tensor& loss, const AutogradGraph& graph, const std::vector<at::Tensor>& inputs,
                           const NanosecondClock& clock) {
  std::vector<Start> starts;
  starts.reserve(graph.nodes.size());
  const StartHooks hooks(graph, clock, starts);
  const int64_t before = clock();
  torch::autograd::backward({loss}, {}, /*retain_graph=*/std::nullopt, /*create_graph=*/false, inputs);
  const int64_t after = clock();
  BackwardTimes times{.start_nanoseconds = starts.empty() ? after - before : starts[0].nanoseconds - before,
                      .node_nanoseconds = std::vector<int64_t>(graph.nodes.size(), 0)};
  for (size_t i = 0; i < starts.size(); ++i) {
    const int64_t end = i + 1 < starts.size() ? starts[i + 1].nanoseconds : after;
    times.node_nanoseconds[starts[i].node] = end - starts[i].nanoseconds;
  }
  return times;
}

}  // namespace greenplan::profiler
