#include "profiler/autograd/profile_module.h"

#include <stdexcept>

#include "ATen/Functions.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"

namespace greenplan::profiler {
namespace {

struct Net : torch::nn::Module {
  Net() {
    weight = register_parameter("weight", at::randn({5, 7}));
    scale = register_parameter("scale", at::randn({5}));
    shift = register_parameter("shift", at::randn({5}));
    head = register_parameter("head", at::randn({2, 5}));
    mean = register_buffer("mean", at::zeros({5}));
    variance = register_buffer("variance", at::ones({5}));
  }

  at::Tensor loss() {
    at::Tensor h = at::dropout(at::linear(x, weight), 0.5, /*train=*/true);
    h = at::batch_norm(h, scale, shift, mean, variance, /*training=*/true, 0.1, 1e-5, false);
    return at::linear(h, head).sum();
  }

  at::Tensor x = at::randn({3, 7});
  at::Tensor weight, scale, shift, head, mean, variance;
};

TEST(ProfileModuleTest, ProfilesFrozenParametersAsTrainable) {
  Net net;
  net.weight.set_requires_grad(false);
  const auto profile = Profile(net, [&] { return net.loss(); });
  ASSERT_TRUE(profile.ok()) << profile.status();
  ASSERT_EQ(profile->tensors.size(), 4);
  EXPECT_EQ(profile->tensors[0].name, "weight");
  EXPECT_EQ(profile->tensors[0].weight_grad_cost, 2 * 3 * 5 * 7);
  EXPECT_EQ(profile->forward_cost, 2 * 3 * 5 * 7 + 2 * 3 * 5 * 2);
}

TEST(ProfileModuleTest, LeavesTheModuleAndTheRandomStateAsTheyWere) {
  Net net;
  net.scale.set_requires_grad(false);
  net.weight.mutable_grad() = at::ones({5, 7});
  at::manual_seed(7);
  const at::Tensor expected_draw = at::rand({4});
  at::manual_seed(7);
  ASSERT_TRUE(Profile(net, [&] { return net.loss(); }).ok());
  EXPECT_TRUE(at::equal(at::rand({4}), expected_draw));
  EXPECT_FALSE(net.scale.requires_grad());
  EXPECT_TRUE(net.weight.requires_grad());
  EXPECT_TRUE(at::equal(net.weight.grad(), at::ones({5, 7})));
  EXPECT_FALSE(net.head.grad().defined());
  EXPECT_TRUE(at::equal(net.mean, at::zeros({5})));
  EXPECT_TRUE(at::equal(net.variance, at::ones({5})));
}

TEST(ProfileModuleTest, FrozenTensorsHaveNoOpButCountInForwardCost) {
  Net net;
  const auto profile =
      Profile(net, [&] { return net.loss(); }, {.frozen = {"weight", "scale", "shift"}, .blocks = {}, .resident = {}});
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_EQ(profile->tensors[0].op, kNone);
  EXPECT_EQ(EvaluateMask(*profile, FullMask(*profile)).backward_cost, 2 * 3 * 5 * 2);
  EXPECT_EQ(profile->forward_cost, 2 * 3 * 5 * 7 + 2 * 3 * 5 * 2);
}

TEST(ProfileModuleTest, RefusesAModuleWithoutParameters) {
  torch::nn::Module empty("empty");
  const auto profile = Profile(empty, [] { return at::zeros({}); });
  EXPECT_EQ(profile.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(profile.status().message().find("module empty has no floating-point parameters"), std::string::npos);
}

TEST(ProfileModuleTest, RefusesFrozenNamesThatAreNoParametersAndModulesThatAreAllFrozen) {
  Net net;
  const auto unknown = Profile(net, [&] { return net.loss(); }, {.frozen = {"bias"}, .blocks = {}, .resident = {}});
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(unknown.status().message().find("bias, which is not a parameter"), std::string::npos);
  const auto none = Profile(net, [&] { return net.loss(); },
                            {.frozen = {"weight", "scale", "shift", "head"}, .blocks = {}, .resident = {}});
  EXPECT_EQ(none.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(none.status().message().find("none of the parameters that may be trained"), std::string::npos);
}

TEST(ProfileModuleTest, ReportsAForwardPassThatThrowsAndRestoresTheModule) {
  Net net;
  net.weight.set_requires_grad(false);
  const auto profile = Profile(net, []() -> at::Tensor { throw std::runtime_error("no batch"); });
  EXPECT_EQ(profile.status().code(), absl::StatusCode::kInternal);
  EXPECT_NE(profile.status().message().find("no batch"), std::string::npos);
  EXPECT_FALSE(net.weight.requires_grad());
}

}  // namespace
}  // namespace greenplan::profiler
