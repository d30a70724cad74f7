#include "profiler/autograd/checkpoint.h"

#include <stdexcept>

#include "ATen/Functions.h"
#include "ATen/TensorOperators.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "profiler/autograd/executed_flops.h"
#include "profiler/autograd/profile.h"
#include "profiler/autograd/testing/test_device.h"

namespace greenplan::profiler {
namespace {

using ::testing::ElementsAre;
using testing::Randn;
using Tensors = std::vector<at::Tensor>;

at::Tensor Parameter(at::IntArrayRef shape) { return Randn(shape).set_requires_grad(true); }

// head(block(block(in(x)))), each block x + down(dropout(relu(up(x)))), checkpointed or not.
struct Network {
  enum class Mode { kPlain, kCheckpointed, kNested };

  at::Tensor Block(const at::Tensor& input, const at::Tensor& up, const at::Tensor& down, Mode mode) const {
    const auto mlp = [=](const Tensors& inputs) {
      return at::linear(at::dropout(at::relu(at::linear(inputs[0], up)), 0.3, /*train=*/true), down);
    };
    const auto residual = [=](const Tensors& inputs) {
      return inputs[0] + (mode == Mode::kNested ? Checkpoint(mlp, inputs, {up, down}) : mlp(inputs));
    };
    return mode == Mode::kPlain ? residual({input}) : Checkpoint(residual, {input}, {up, down});
  }

  at::Tensor Loss(Mode mode) const {
    at::Tensor hidden = at::linear(x, in);
    hidden = Block(hidden, up0, down0, mode);
    hidden = Block(hidden, up1, down1, mode);
    return at::linear(hidden, head).pow(2).sum();
  }

  NamedParameters Parameters() const {
    return {{"in", in}, {"0.up", up0}, {"0.down", down0}, {"1.up", up1}, {"1.down", down1}, {"head", head}};
  }

  at::Tensor x = Randn({3, 5});
  at::Tensor in = Parameter({7, 5}), head = Parameter({2, 7});
  at::Tensor up0 = Parameter({11, 7}), down0 = Parameter({7, 11}), up1 = Parameter({13, 7}), down1 = Parameter({7, 13});
};

class CheckpointTest : public ::testing::TestWithParam<Network::Mode> {};

TEST_P(CheckpointTest, GivesTheSameLossAndGradientsAsWithout) {
  const Network network;
  std::vector<Tensors> gradients;
  Tensors losses, drawn_next;
  for (const Network::Mode mode : {Network::Mode::kPlain, GetParam()}) {
    at::manual_seed(11);
    losses.push_back(network.Loss(mode));
    losses.back().backward();
    drawn_next.push_back(Randn({4}));
    Tensors& of_mode = gradients.emplace_back();
    for (auto [name, parameter] : network.Parameters()) {
      of_mode.push_back(parameter.grad().clone());
      parameter.mutable_grad().reset();
    }
  }
  EXPECT_TRUE(at::equal(losses[0], losses[1]));
  EXPECT_TRUE(at::equal(drawn_next[0], drawn_next[1])) << "running a function again draws nothing";
  for (size_t i = 0; i < gradients[0].size(); ++i) EXPECT_TRUE(at::equal(gradients[0][i], gradients[1][i])) << i;
}

TEST_P(CheckpointTest, ProfilePredictsWhatBackwardExecutesForEveryMask) {
  const Network network;
  const NamedParameters parameters = network.Parameters();
  const auto profile = Profile(network.Loss(GetParam()), parameters);
  ASSERT_TRUE(profile.ok()) << profile.status();
  for (int bits = 1; bits < 1 << 6; ++bits) {
    std::vector<bool> mask;
    for (int i = 0; i < 6; ++i) {
      mask.push_back(bits >> i & 1);
      at::Tensor(parameters[i].second).set_requires_grad(mask[i]).mutable_grad().reset();
    }
    const ExecutedFlopsCounter counter;
    const at::Tensor loss = network.Loss(GetParam());
    EXPECT_EQ(counter.forward_flops(), profile->forward_cost);
    loss.backward();
    ASSERT_EQ(EvaluateMask(*profile, mask).backward_cost, counter.backward_flops()) << ::testing::PrintToString(mask);
  }
}

// As with adapters: the products that only frozen tensors take part in leave no trace in the graph, but are run again.
TEST_P(CheckpointTest, PredictsTheSecondRunOfFrozenProducts) {
  Network network;
  for (at::Tensor* frozen : {&network.in, &network.up0, &network.up1, &network.head}) frozen->set_requires_grad(false);
  const NamedParameters parameters = network.Parameters();
  const auto profile = Profile(network.Loss(GetParam()), parameters);
  ASSERT_TRUE(profile.ok()) << profile.status();
  for (const auto& [name, parameter] : parameters) {
    EXPECT_EQ(parameter.requires_grad(), name == "0.down" || name == "1.down") << name;
  }
  for (const std::vector<bool>& mask : {std::vector<bool>{0, 0, 1, 0, 1, 0}, {0, 0, 1, 0, 0, 0}, {0, 0, 0, 0, 1, 0}}) {
    network.down0.set_requires_grad(mask[2]);
    network.down1.set_requires_grad(mask[4]);
    const at::Tensor loss = network.Loss(GetParam());
    const ExecutedFlopsCounter counter;
    loss.backward();
    EXPECT_EQ(EvaluateMask(*profile, mask).backward_cost, counter.backward_flops()) << ::testing::PrintToString(mask);
  }
}

TEST_P(CheckpointTest, KeepsOnlyTheInputs) {
  const Network network;
  const auto profile =
      Profile(network.Loss(GetParam()), network.Parameters(), {.frozen = {}, .blocks = {}, .resident = {network.x}});
  ASSERT_TRUE(profile.ok()) << profile.status();
  // Kept are three hidden states [3, 7], of which the last one is the head's input, and the output [3, 2].
  EXPECT_EQ(EvaluateMask(*profile, FullMask(*profile)).saved_bytes, 4 * (3 * (3 * 7) + 3 * 2));
}

TEST_P(CheckpointTest, ProfilingLeavesTheRandomStateAndTheGraphAsTheyWere) {
  const Network network;
  at::manual_seed(3);
  const at::Tensor loss = network.Loss(GetParam());
  const at::Tensor expected = at::rand({4}, testing::TestDevice());
  at::manual_seed(3);
  const at::Tensor again = network.Loss(GetParam());
  ASSERT_TRUE(Profile(again, network.Parameters()).ok());
  EXPECT_TRUE(at::equal(at::rand({4}, testing::TestDevice()), expected));
  again.backward();
  EXPECT_TRUE(network.up0.grad().defined());
}

INSTANTIATE_TEST_SUITE_P(Modes, CheckpointTest, ::testing::Values(Network::Mode::kCheckpointed, Network::Mode::kNested),
                         [](const auto& info) { return info.param == Network::Mode::kNested ? "Nested" : "Flat"; });

TEST(CheckpointOfAFunctionTest, FindsResidualBlocksWithin) {
  const Network network;
  const auto profile = Profile(network.Loss(Network::Mode::kCheckpointed), network.Parameters());
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_THAT(profile->blocks, ElementsAre("0", "1"));
}

TEST(CheckpointOfAFunctionTest, MayReturnItsInputOrIgnoreIt) {
  const at::Tensor weight = Parameter({3}), other = Parameter({3});
  const at::Tensor x = weight.exp();
  const at::Tensor same = Checkpoint([](const Tensors& inputs) { return inputs[0]; }, {x}, {});
  const at::Tensor ignored = Checkpoint([=](const Tensors&) { return other.exp(); }, {x}, {other});
  const at::Tensor loss = (same + ignored).sum();
  const auto profile = Profile(loss, {{"weight", weight}, {"other", other}});
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_NE(profile->tensors[0].op, kNone);
  EXPECT_NE(profile->tensors[1].op, kNone);
  loss.backward();
  EXPECT_TRUE(at::allclose(weight.grad(), weight.exp()));
  EXPECT_TRUE(at::allclose(other.grad(), other.exp()));
}

TEST(CheckpointOfAFunctionTest, RunsTheFunctionDirectlyIfNothingRequiresGrad) {
  const at::Tensor x = at::ones({3});
  EXPECT_FALSE(Checkpoint([](const Tensors& inputs) { return inputs[0] * 2; }, {x}, {}).requires_grad());
}

TEST(CheckpointOfAFunctionTest, ProfilingRefusesAnOpWithoutARuleByName) {
  const at::Tensor weight = Parameter({3, 3});
  const at::Tensor loss =
      Checkpoint([](const Tensors& inputs) { return at::linalg_inv(inputs[0]); }, {weight}, {}).sum();
  const auto profile = Profile(loss, {{"weight", weight}});
  EXPECT_EQ(profile.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_NE(profile.status().message().find("LinalgInvExBackward0"), std::string::npos);
}

TEST(CheckpointOfAFunctionTest, ProfilingReportsAFunctionThatThrowsWhenItIsRunAgain) {
  const at::Tensor weight = Parameter({3});
  bool fail = false;
  const auto function = [&fail](const Tensors& inputs) -> at::Tensor {
    if (fail) throw std::runtime_error("the batch is gone");
    return inputs[0].exp();
  };
  const at::Tensor loss = Checkpoint(function, {weight}, {}).sum();
  fail = true;
  const auto profile = Profile(loss, {{"weight", weight}});
  EXPECT_EQ(profile.status().code(), absl::StatusCode::kInternal);
  EXPECT_NE(profile.status().message().find("the batch is gone"), std::string::npos);
}

}  // namespace
}  // namespace greenplan::profiler
