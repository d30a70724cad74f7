#include "profiler/autograd/module_state.h"

#include "ATen/Functions.h"
#include "gtest/gtest.h"

namespace greenplan::profiler {
namespace {

TEST(ModuleStateTest, ReturnsTheFloatingPointParametersInOrder) {
  torch::nn::Module module;
  module.register_parameter("b", at::zeros({2}));
  module.register_parameter("ids", at::zeros({2}, at::kLong), /*requires_grad=*/false);
  module.register_parameter("a", at::zeros({3}));
  const NamedParameters parameters = TrainableParameters(module);
  ASSERT_EQ(parameters.size(), 2);
  EXPECT_EQ(parameters[0].first, "b");
  EXPECT_EQ(parameters[1].first, "a");
  EXPECT_TRUE(TrainableParameters(torch::nn::Module()).empty());
}

TEST(ModuleStateTest, RestoresRequiresGrad) {
  const at::Tensor trained = at::zeros({2}).set_requires_grad(true), frozen = at::zeros({2});
  {
    const RequireGrad require_grad({{"trained", trained}, {"frozen", frozen}});
    EXPECT_TRUE(frozen.requires_grad());
  }
  EXPECT_TRUE(trained.requires_grad());
  EXPECT_FALSE(frozen.requires_grad());
}

TEST(ModuleStateTest, RestoresBuffers) {
  torch::nn::Module module;
  const at::Tensor mean = module.register_buffer("mean", at::ones({2}));
  {
    const KeepBuffers keep_buffers(module.buffers());
    mean.fill_(7);
  }
  EXPECT_TRUE(at::equal(mean, at::ones({2})));
}

TEST(ModuleStateTest, RestoresGradientsWithoutCopyingThemAndDropsNewOnes) {
  const at::Tensor a = at::zeros({2}).set_requires_grad(true), b = at::zeros({2}).set_requires_grad(true);
  const at::Tensor gradient = at::ones({2});
  a.mutable_grad() = gradient;
  {
    KeepGradients keep_gradients({{"a", a}, {"b", b}});
    EXPECT_FALSE(a.grad().defined());
    (a + b).sum().backward();
    keep_gradients.Clear();
    EXPECT_FALSE(b.grad().defined());
    (a + b).sum().backward();
  }
  EXPECT_TRUE(a.grad().is_same(gradient));
  EXPECT_TRUE(at::equal(gradient, at::ones({2})));
  EXPECT_FALSE(b.grad().defined());
}

}  // namespace
}  // namespace greenplan::profiler
