#include "profiler/autograd/node_cost.h"

#include "ATen/Functions.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "torch/csrc/autograd/function.h"

namespace greenplan::profiler {
namespace {

using ::testing::ElementsAre;

at::Tensor Parameter(at::IntArrayRef shape) { return at::randn(shape).set_requires_grad(true); }

NodeCost CostOf(const at::Tensor& result) {
  absl::StatusOr<NodeCost> cost = CostOfNode(*result.grad_fn());
  EXPECT_TRUE(cost.ok()) << cost.status();
  return cost.ok() ? *cost : NodeCost{};
}

TEST(CostOfNodeTest, EachFactorsGradientCostsAsMuchAsTheProduct) {
  const NodeCost cost = CostOf(at::mm(Parameter({3, 5}), Parameter({5, 7})));
  EXPECT_EQ(cost.forward, 2 * 3 * 5 * 7);
  EXPECT_EQ(cost.op, 0);
  EXPECT_THAT(cost.per_input, ElementsAre(2 * 3 * 5 * 7, 2 * 3 * 5 * 7));
}

TEST(CostOfNodeTest, TheGradientOfAnAddedTermIsFree) {
  EXPECT_THAT(CostOf(at::addmm(Parameter({7}), Parameter({3, 5}), Parameter({5, 7}))).per_input,
              ElementsAre(0, 210, 210));
}

TEST(CostOfNodeTest, OneFactorThatRequiresGradIsEnough) {
  EXPECT_EQ(CostOf(at::mm(at::randn({3, 5}), Parameter({5, 7}))).per_input[1], 210);
  EXPECT_EQ(CostOf(at::bmm(Parameter({2, 3, 5}), at::randn({2, 5, 7}))).per_input[0], 420);
}

TEST(CostOfNodeTest, ReadsTheShapeOfDataFromWhatAConvolutionSaved) {
  const at::Tensor image = at::randn({2, 4, 9}), weight = Parameter({6, 2, 3});
  const NodeCost cost = CostOf(at::conv1d(image, weight, {}, 2, 1, 1, /*groups=*/2));
  EXPECT_EQ(cost.forward, 2 * 2 * 5 * 6 * 2 * 3);
  EXPECT_THAT(cost.per_input, ElementsAre(cost.forward, cost.forward, 0));
}

TEST(CostOfNodeTest, FusedAttentionCostsAllItsGradientsAndRecomputedScoresOnce) {
  const at::Tensor query = Parameter({2, 6, 5, 8}), key = Parameter({2, 6, 7, 8}), value = Parameter({2, 6, 7, 8});
  const NodeCost cost = CostOf(std::get<0>(at::_scaled_dot_product_flash_attention_for_cpu(query, key, value)));
  EXPECT_EQ(cost.forward, 2 * (2 * 2 * 6 * 5 * 7 * 8));
  EXPECT_EQ(cost.op, 5 * (2 * 2 * 6 * 5 * 7 * 8));
  EXPECT_TRUE(cost.per_input.empty());
}

TEST(CostOfNodeTest, ElementwiseWorkIsFree) {
  const NodeCost cost = CostOf(at::exp(Parameter({3, 5})));
  EXPECT_EQ(cost.forward, 0);
  EXPECT_TRUE(cost.per_input.empty());
}

TEST(CostOfNodeTest, RefusesDecompositionsByName) {
  const auto cost = CostOfNode(*at::linalg_inv(Parameter({3, 3})).grad_fn());
  EXPECT_EQ(cost.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_NE(cost.status().message().find("LinalgInvExBackward0"), std::string::npos);
}

TEST(CostOfNodeTest, RefusesAGraphThatBackwardHasFreed) {
  const at::Tensor result = at::conv1d(Parameter({2, 4, 9}), at::randn({6, 4, 3}));
  const auto node = result.grad_fn();
  result.sum().backward();
  const auto cost = CostOfNode(*node);
  EXPECT_EQ(cost.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(cost.status().message().find("the shape of operand 1 is not known"), std::string::npos) << cost.status();
}

}  // namespace
}  // namespace greenplan::profiler
