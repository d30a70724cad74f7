#include "profiler/autograd/backward_timer.h"

#include <memory>
#include <stdexcept>
#include <utility>

#include "ATen/Functions.h"
#include "ATen/TensorOperators.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "torch/csrc/autograd/custom_function.h"

namespace greenplan::profiler {
namespace {

using ::testing::ElementsAre;

at::Tensor Parameter(at::IntArrayRef shape) { return at::randn(shape).set_requires_grad(true); }

// A clock that advances by one nanosecond each time it is read.
NanosecondClock CountingClock() {
  return [now = std::make_shared<int64_t>(0)] { return (*now)++; };
}

AutogradGraph Graph(const at::Tensor& loss) {
  auto graph = WalkGraph(*loss.grad_fn());
  EXPECT_TRUE(graph.ok()) << graph.status();
  return *std::move(graph);
}

TEST(BackwardTimerTest, TimesEveryNodeUntilTheNextOneStarts) {
  const at::Tensor weight = Parameter({3});
  const at::Tensor loss = weight.exp().sum();
  const BackwardTimes times = TimeBackward(loss, Graph(loss), {}, CountingClock());
  EXPECT_EQ(times.start_nanoseconds, 1);
  EXPECT_THAT(times.node_nanoseconds, ElementsAre(1, 1, 1));  // Sum, exp, the leaf.
  EXPECT_TRUE(at::allclose(weight.grad(), weight.exp()));
}

TEST(BackwardTimerTest, SkippedNodesTakeNoTimeAndTheirTensorsGetNoGradient) {
  const at::Tensor first = Parameter({3}), second = Parameter({3});
  const at::Tensor loss = (first.exp() * second.sin()).sum();
  const AutogradGraph graph = Graph(loss);
  const BackwardTimes times = TimeBackward(loss, graph, {second}, CountingClock());
  EXPECT_FALSE(first.grad().defined());
  EXPECT_TRUE(second.grad().defined());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (graph.nodes[i].node->name() == "ExpBackward0") EXPECT_EQ(times.node_nanoseconds[i], 0);
    if (graph.nodes[i].node->name() == "SinBackward0") EXPECT_EQ(times.node_nanoseconds[i], 1);
  }
}

// Doubles its input. Its backward writes the address of the gradient that it computes to `address`.
struct Hand : torch::autograd::Function<Hand> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, int64_t* address) {
    context->saved_data["address"] = reinterpret_cast<int64_t>(address);
    return x * 2;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list&) {
    at::Tensor gradient = at::ones({1000});
    *reinterpret_cast<int64_t*>(context->saved_data["address"].toInt()) =
        reinterpret_cast<int64_t>(gradient.data_ptr());
    return {gradient, at::Tensor()};
  }
};

TEST(BackwardTimerTest, GradientsAreMovedNotCopied) {
  // The engine moves a gradient into its leaf unless somebody else still holds it.
  const at::Tensor weight = Parameter({1000});
  int64_t address = 0;
  const at::Tensor loss = Hand::apply(weight, &address);
  AutogradGraph graph;  // WalkGraph() refuses custom functions, but a timer needs no costs.
  graph.nodes.push_back({.node = loss.grad_fn().get()});
  graph.nodes.push_back({.node = loss.grad_fn()->next_edge(0).function.get()});
  TimeBackward(loss.sum(), graph, {}, CountingClock());
  EXPECT_EQ(reinterpret_cast<int64_t>(weight.grad().data_ptr()), address);
}

struct Throws : torch::autograd::Function<Throws> {
  static at::Tensor forward(torch::autograd::AutogradContext*, const at::Tensor& x) { return x * 2; }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*, torch::autograd::variable_list) {
    throw std::runtime_error("out of order");
  }
};

TEST(BackwardTimerTest, RemovesItsHooksEvenIfBackwardThrows) {
  const at::Tensor weight = Parameter({3});
  const at::Tensor loss = Throws::apply(weight).sum();
  AutogradGraph graph;
  graph.nodes.push_back({.node = loss.grad_fn().get()});
  EXPECT_THROW(TimeBackward(loss, graph, {}, CountingClock()), std::runtime_error);
  EXPECT_TRUE(loss.grad_fn()->pre_hooks().empty());
}

TEST(BackwardTimerTest, ReturnsTheClockItselfOnTheCpu) {
  const NanosecondClock clock = AfterWorkOn(at::kCPU, CountingClock());
  EXPECT_EQ(clock(), 0);
  EXPECT_EQ(clock(), 1);
}

}  // namespace
}  // namespace greenplan::profiler
