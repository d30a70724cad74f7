#include "profiler/autograd/graph_walk.h"

#include <stdexcept>
#include <string>
#include <vector>

#include "ATen/TensorOperators.h"
#include "ATen/core/Tensor.h"
#include "ATen/ops/linalg_inv.h"
#include "ATen/ops/mm.h"
#include "ATen/ops/ones.h"
#include "ATen/ops/randn.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "profiler/autograd/checkpoint.h"

namespace greenplan::profiler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kLeaf[] = "torch::autograd::AccumulateGrad";

at::Tensor Parameter(at::IntArrayRef shape) { return at::randn(shape).set_requires_grad(true); }

AutogradGraph Graph(const at::Tensor& loss) {
  absl::StatusOr<AutogradGraph> graph = WalkGraph(*loss.grad_fn());
  EXPECT_TRUE(graph.ok()) << graph.status();
  return *std::move(graph);
}

std::vector<std::string> Names(const AutogradGraph& graph) {
  std::vector<std::string> names;
  for (const GraphNode& node : graph.nodes) names.push_back(node.node->name());
  return names;
}

TEST(WalkGraphTest, ListsNodesInTheOrderOfTheEngine) {
  const at::Tensor first = Parameter({3}), second = Parameter({3});
  const at::Tensor left = first.exp();
  const at::Tensor right = second.sin();
  const at::Tensor loss = (left * right).sum();
  const AutogradGraph graph = Graph(loss);
  // Of exp and sin, which are ready at the same time, sin was made last. A leaf runs as soon as it is ready.
  EXPECT_THAT(Names(graph), ElementsAre("SumBackward0", "MulBackward0", "SinBackward0", kLeaf, "ExpBackward0", kLeaf));
  for (size_t i = 0; i < graph.nodes.size(); ++i) EXPECT_EQ(graph.index_of.at(graph.nodes[i].node), i);
  ASSERT_EQ(graph.nodes[1].targets.size(), 2);
  EXPECT_EQ(graph.nodes[1].targets[0].node, 4);
  EXPECT_EQ(graph.nodes[1].targets[1].node, 2);
}

TEST(WalkGraphTest, ATiedTensorIsOneNodeWithATargetForEachUse) {
  const at::Tensor weight = Parameter({3});
  const at::Tensor loss = (weight * weight).sum();
  const AutogradGraph graph = Graph(loss);
  ASSERT_THAT(Names(graph), ElementsAre("SumBackward0", "MulBackward0", kLeaf));
  ASSERT_EQ(graph.nodes[1].targets.size(), 2);
  for (const GraphNode::Target& target : graph.nodes[1].targets) EXPECT_EQ(target.node, 2);
}

TEST(WalkGraphTest, AnInputWithoutGradientHasNoTarget) {
  const at::Tensor weight = Parameter({5, 7});
  const at::Tensor loss = at::mm(at::ones({3, 5}), weight).sum();
  const AutogradGraph graph = Graph(loss);
  ASSERT_THAT(Names(graph), ElementsAre("SumBackward0", "MmBackward0", kLeaf));
  ASSERT_EQ(graph.nodes[1].targets.size(), 1);
  EXPECT_EQ(graph.nodes[1].targets[0].input, 1);
  EXPECT_EQ(graph.nodes[1].cost.per_input[1], 2 * 3 * 5 * 7);
}

TEST(WalkGraphTest, TheGraphOfACheckpointedFunctionFollowsItsCheckpoint) {
  const at::Tensor x = Parameter({3, 5}), weight = Parameter({5, 7});
  const auto product = [weight](const std::vector<at::Tensor>& inputs) { return at::mm(inputs[0].exp(), weight); };
  const at::Tensor loss = Checkpoint(product, {x}, {weight}).sum();
  const AutogradGraph graph = Graph(loss);
  ASSERT_EQ(graph.nodes.size(), 6);
  EXPECT_EQ(graph.nodes[1].node->name(), "CheckpointBackward");
  EXPECT_EQ(graph.nodes[1].cost.op, 2 * 3 * 5 * 7);
  EXPECT_EQ(graph.nodes[1].cost.forward, 2 * 3 * 5 * 7);
  ASSERT_EQ(graph.nodes[1].targets.size(), 1);
  const GraphNode& mm = graph.nodes[graph.nodes[1].targets[0].node];
  EXPECT_EQ(mm.node->name(), "MmBackward0");
  EXPECT_TRUE(mm.recomputed);
  EXPECT_EQ(mm.cost.forward, 0);
  ASSERT_EQ(mm.targets.size(), 2);
  const GraphNode& exp = graph.nodes[mm.targets[0].node];
  EXPECT_EQ(exp.node->name(), "ExpBackward0");
  // The gradient of the function's input goes where the checkpoint's own edge leads: to the leaf of x.
  ASSERT_EQ(exp.targets.size(), 1);
  EXPECT_EQ(graph.nodes[exp.targets[0].node].node, loss.grad_fn()->next_edge(0).function->next_edge(0).function.get());
  EXPECT_FALSE(graph.nodes[exp.targets[0].node].recomputed);
}

TEST(WalkGraphTest, RefusesANodeWithoutARuleByName) {
  const at::Tensor loss = at::linalg_inv(Parameter({3, 3})).sum();
  const absl::Status status = WalkGraph(*loss.grad_fn()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()), HasSubstr("LinalgInvExBackward0"));
}

TEST(WalkGraphTest, ReportsACheckpointedFunctionThatThrowsWhenItIsRunAgain) {
  const at::Tensor x = Parameter({3});
  const auto runs_once = [runs = 0](const std::vector<at::Tensor>& inputs) mutable {
    if (runs++ > 0) throw std::runtime_error("only one run");
    return inputs[0].exp();
  };
  const at::Tensor loss = Checkpoint(runs_once, {x}, {}).sum();
  const absl::Status status = WalkGraph(*loss.grad_fn()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("only one run"));
}

}  // namespace
}  // namespace greenplan::profiler
