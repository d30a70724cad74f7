#include "trainer_client/optimizer/torch_optimizer.h"

#include <algorithm>
#include <functional>
#include <map>
#include <string>

#include "ATen/Context.h"
#include "ATen/TensorOperators.h"
#include "ATen/ops/allclose.h"
#include "ATen/ops/equal.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "profiler/autograd/testing/test_device.h"
#include "torch/optim/adagrad.h"
#include "torch/optim/adam.h"
#include "torch/optim/adamw.h"
#include "torch/optim/lbfgs.h"
#include "torch/optim/rmsprop.h"
#include "torch/optim/sgd.h"

namespace greenplan::trainer {
namespace {

using profiler::testing::Randn;
using ::testing::HasSubstr;
namespace optim = torch::optim;

using Tensors = std::vector<at::Tensor>;

struct Case {
  const char* name;
  std::function<std::unique_ptr<optim::Optimizer>(const Tensors&)> make;
};

const Case kCases[] = {
    {"sgd", [](const Tensors& p) { return std::make_unique<optim::SGD>(p, optim::SGDOptions(0.1)); }},
    {"sgd with momentum",
     [](const Tensors& p) {
       return std::make_unique<optim::SGD>(p, optim::SGDOptions(0.1).momentum(0.9).weight_decay(0.1).nesterov(true));
     }},
    {"adam",
     [](const Tensors& p) { return std::make_unique<optim::Adam>(p, optim::AdamOptions(0.1).weight_decay(0.1)); }},
    {"amsgrad",
     [](const Tensors& p) { return std::make_unique<optim::Adam>(p, optim::AdamOptions(0.1).amsgrad(true)); }},
    {"adamw", [](const Tensors& p) { return std::make_unique<optim::AdamW>(p, optim::AdamWOptions(0.1)); }},
    {"rmsprop",
     [](const Tensors& p) {
       return std::make_unique<optim::RMSprop>(p, optim::RMSpropOptions(0.1).momentum(0.9).centered(true));
     }},
    {"adagrad",
     [](const Tensors& p) {
       return std::make_unique<optim::Adagrad>(p, optim::AdagradOptions(0.1).lr_decay(0.1).weight_decay(0.1));
     }},
};

struct TorchOptimizerTest : ::testing::TestWithParam<Case> {
  TorchOptimizerTest() {
    at::manual_seed(3);
    for (const char* name : {"a", "b"}) parameters.emplace_back(name, Randn({4, 3}).requires_grad_(true));
    torch_optimizer = GetParam().make({parameters[0].second, parameters[1].second});
    optimizer = *WrapTorchOptimizer(*torch_optimizer, parameters);
  }

  void StepWithGradients(bool both) {
    parameters[0].second.mutable_grad() = Randn({4, 3});
    if (both) parameters[1].second.mutable_grad() = Randn({4, 3});
    optimizer->Step();
    optimizer->ClearGradients();
  }

  std::vector<std::pair<std::string, at::Tensor>> parameters;
  std::unique_ptr<optim::Optimizer> torch_optimizer;
  std::unique_ptr<Optimizer> optimizer;
};

INSTANTIATE_TEST_SUITE_P(Optimizers, TorchOptimizerTest, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return "Case" + std::to_string(info.index); });

TEST_P(TorchOptimizerTest, TellsTheNextUpdateBitForBitAndChangesNothing) {
  for (int step = 0; step < 4; ++step) {
    const at::Tensor gradient = Randn({4, 3});
    const at::Tensor before = parameters[0].second.detach().clone();
    std::map<std::string, at::Tensor> state;
    for (const auto& [name, tensor] : optimizer->state()) state[name] = tensor.clone();
    const at::Tensor update = optimizer->NextUpdate(parameters[0].second, gradient);
    EXPECT_TRUE(at::equal(parameters[0].second, before));
    EXPECT_FALSE(parameters[0].second.grad().defined());
    EXPECT_EQ(optimizer->state().size(), state.size());
    for (const auto& [name, tensor] : optimizer->state()) EXPECT_TRUE(at::equal(tensor, state.at(name))) << name;

    parameters[0].second.mutable_grad() = gradient;
    optimizer->Step();
    optimizer->ClearGradients();
    EXPECT_TRUE(at::equal(parameters[0].second - before, update)) << GetParam().name << " step " << step;
  }
}

TEST_P(TorchOptimizerTest, AParameterWithoutAGradientKeepsEveryBit) {
  for (int step = 0; step < 2; ++step) StepWithGradients(true);
  const at::Tensor before = parameters[1].second.detach().clone();
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, tensor] : optimizer->state()) state[name] = tensor.clone();
  for (int step = 0; step < 3; ++step) StepWithGradients(false);
  EXPECT_TRUE(at::equal(parameters[1].second, before));
  for (const auto& [name, tensor] : optimizer->state()) {
    if (name[0] != 'b') continue;
    EXPECT_TRUE(at::equal(tensor, state.at(name))) << name;
  }
}

TEST_P(TorchOptimizerTest, GoesOnFromASavedState) {
  for (int step = 0; step < 3; ++step) StepWithGradients(true);
  Optimizer::State state;
  for (const auto& [name, tensor] : optimizer->state()) state[name] = tensor.clone();
  std::vector<std::pair<std::string, at::Tensor>> copies;
  for (const auto& [name, parameter] : parameters) {
    copies.emplace_back(name, parameter.detach().clone().requires_grad_(true));
  }
  const auto other_torch = GetParam().make({copies[0].second, copies[1].second});
  const auto other = *WrapTorchOptimizer(*other_torch, copies);
  ASSERT_EQ(other->LoadState(state), absl::OkStatus());
  const at::Tensor gradient = Randn({4, 3});
  for (int i = 0; i < 2; ++i) {
    parameters[i].second.mutable_grad() = gradient;
    copies[i].second.mutable_grad() = gradient;
  }
  optimizer->Step();
  other->Step();
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(at::equal(parameters[i].second, copies[i].second));
  if (state.empty()) return;  // Plain SGD keeps none.
  for (const auto& [name, tensor] : state) {
    if (tensor.dim() > 0) EXPECT_FALSE(at::equal(other->state().at(name), tensor)) << name << " is a copy";
  }
  state["c.exp_avg"] = gradient;
  EXPECT_EQ(other->LoadState(state).code(), absl::StatusCode::kInvalidArgument);
  state.erase("c.exp_avg");
  const auto of_another_shape =
      std::find_if(state.begin(), state.end(), [](const auto& entry) { return entry.second.dim() == 2; });
  of_another_shape->second = Randn({3, 4});
  const absl::Status status = other->LoadState(state);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(of_another_shape->first + " has another shape"));
}

TEST_P(TorchOptimizerTest, ALoadedStateReplacesAllThatWasThere) {
  StepWithGradients(true);
  Optimizer::State of_first;
  for (const auto& [name, tensor] : optimizer->state()) {
    if (name[0] == 'a') of_first[name] = tensor.clone();
  }
  ASSERT_EQ(optimizer->LoadState(of_first), absl::OkStatus());
  EXPECT_EQ(optimizer->state().size(), of_first.size());
}

TEST_P(TorchOptimizerTest, AParameterWhoseStateWasDroppedBeginsAnew) {
  for (int step = 0; step < 3; ++step) StepWithGradients(true);
  const at::Tensor gradient = Randn({4, 3});
  const at::Tensor of_other = optimizer->NextUpdate(parameters[0].second, gradient);
  optimizer->PlaceState({parameters[1].second}, FrozenState::kDrop);
  EXPECT_TRUE(at::equal(optimizer->NextUpdate(parameters[0].second, gradient), of_other)) << "it was not frozen";
  const at::Tensor copy = parameters[1].second.detach().clone().requires_grad_(true);
  const auto fresh_torch = GetParam().make({copy});
  const auto fresh = *WrapTorchOptimizer(*fresh_torch, {{"b", copy}});
  EXPECT_TRUE(at::equal(optimizer->NextUpdate(parameters[1].second, gradient), fresh->NextUpdate(copy, gradient)));
  StepWithGradients(true);
}

TEST_P(TorchOptimizerTest, AParameterWhoseStateWasOffloadedGoesOn) {
  for (int step = 0; step < 3; ++step) StepWithGradients(true);
  const at::Tensor& parameter = parameters[1].second;
  const at::Tensor gradient = Randn({4, 3});
  const at::Tensor expected = optimizer->NextUpdate(parameter, gradient);
  optimizer->PlaceState({parameter}, FrozenState::kOffload);
  for (const auto& [name, tensor] : optimizer->state()) {
    if (name[0] == 'b') EXPECT_TRUE(tensor.is_cpu()) << name;
  }
  EXPECT_TRUE(at::equal(optimizer->NextUpdate(parameter, gradient), expected));
  optimizer->PlaceState({}, FrozenState::kOffload);
  EXPECT_TRUE(at::equal(optimizer->NextUpdate(parameter, gradient), expected));
  StepWithGradients(true);
}

TEST_P(TorchOptimizerTest, SetsTheLearningRateOfEveryGroup) {
  optimizer->set_learning_rate(0);
  const at::Tensor before = parameters[0].second.detach().clone();
  StepWithGradients(true);
  EXPECT_TRUE(at::equal(parameters[0].second, before));
}

// An update is a difference of weights, which are rounded.
bool IsClose(const at::Tensor& a, const at::Tensor& b) { return at::allclose(a, b, /*rtol=*/1e-5, /*atol=*/1e-6); }

TEST(WrapTorchOptimizerTest, EachParameterHasTheOptionsOfItsGroup) {
  const at::Tensor a = Randn({4}).requires_grad_(true), b = Randn({4}).requires_grad_(true);
  std::vector<optim::OptimizerParamGroup> groups;
  groups.emplace_back(Tensors{a}, std::make_unique<optim::SGDOptions>(0.5));
  groups.emplace_back(Tensors{b}, std::make_unique<optim::SGDOptions>(optim::SGDOptions(0.25).weight_decay(2)));
  optim::SGD sgd(groups, optim::SGDOptions(1));
  const auto optimizer = *WrapTorchOptimizer(sgd, {{"a", a}, {"b", b}});
  const at::Tensor gradient = Randn({4}), a_before = a.detach().clone(), b_before = b.detach().clone();
  EXPECT_TRUE(IsClose(optimizer->NextUpdate(a, gradient), gradient * -0.5));
  EXPECT_TRUE(IsClose(optimizer->NextUpdate(b, gradient), (gradient + b_before * 2) * -0.25));
  b.mutable_grad() = gradient;
  optimizer->Step();
  EXPECT_TRUE(at::equal(a, a_before));
  EXPECT_TRUE(IsClose(b, b_before + (gradient + b_before * 2) * -0.25));
  EXPECT_TRUE(optimizer->Owns(b));
  EXPECT_FALSE(optimizer->Owns(gradient));
  optimizer->set_learning_rate(0.125);
  EXPECT_TRUE(IsClose(optimizer->NextUpdate(a, gradient), gradient * -0.125));
  EXPECT_TRUE(IsClose(optimizer->NextUpdate(b, gradient), (gradient + b * 2) * -0.125));
}

TEST(WrapTorchOptimizerTest, RefusesWhatItCannotReplay) {
  const at::Tensor parameter = Randn({2}).requires_grad_(true);
  optim::LBFGS lbfgs(Tensors{parameter});
  const auto other_class = WrapTorchOptimizer(lbfgs, {{"a", parameter}});
  EXPECT_EQ(other_class.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(other_class.status().message()), HasSubstr("SGD, Adam, AdamW, RMSprop and Adagrad"));
  optim::SGD sgd(Tensors{parameter}, optim::SGDOptions(0.1));
  EXPECT_EQ(WrapTorchOptimizer(sgd, {}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace greenplan::trainer
