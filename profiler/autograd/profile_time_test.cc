#include "profiler/autograd/profile_time.h"

#include <algorithm>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "ATen/Functions.h"
#include "ATen/TensorOperators.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "profiler/autograd/checkpoint.h"
#include "profiler/autograd/executed_flops.h"
#include "profiler/autograd/testing/models.h"

namespace greenplan::profiler {
namespace {

using testing::Model;

at::Tensor Parameter(at::IntArrayRef shape) { return at::randn(shape).set_requires_grad(true); }

void ExpectStatus(const absl::Status& status, absl::StatusCode code, const std::string& message) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_NE(std::string(status.message()).find(message), std::string::npos) << status;
}

std::vector<bool> RandomMask(const ModelProfile& profile, std::mt19937_64& random) {
  std::bernoulli_distribution selected(std::uniform_real_distribution<double>(0, 1)(random));
  std::vector<bool> mask(profile.tensors.size());
  for (size_t k = 0; k < mask.size(); ++k) mask[k] = selected(random) && profile.tensors[k].op != kNone;
  return mask;
}

// A clock that advances by one nanosecond for every FLOP, so that times equal the costs of a FLOPs profile.
class FlopsClock {
 public:
  std::function<int64_t()> now() const {
    return [counter = counter_] { return counter->forward_flops() + counter->backward_flops(); };
  }

 private:
  std::shared_ptr<ExecutedFlopsCounter> counter_ = std::make_shared<ExecutedFlopsCounter>();
};

class ProfileTimeOfModel : public ::testing::TestWithParam<Model> {};

TEST_P(ProfileTimeOfModel, WithAClockOfFlopsPredictsTheFlopsOfEveryMask) {
  const Model& model = GetParam();
  const auto flops = Profile(model.loss(), model.parameters);
  ASSERT_TRUE(flops.ok()) << flops.status();
  const auto time = ProfileTime(model.loss, model.parameters, {.now_nanoseconds = FlopsClock().now()});
  ASSERT_TRUE(time.ok()) << time.status();
  EXPECT_EQ(time->cost_unit, CostUnit::kNanoseconds);
  std::mt19937_64 random(20260301);
  for (int i = 0; i < 200; ++i) {
    const std::vector<bool> mask = i == 0 ? FullMask(*flops) : RandomMask(*flops, random);
    ASSERT_EQ(EvaluateMask(*time, mask).backward_cost, EvaluateMask(*flops, mask).backward_cost)
        << "mask " << i << ": " << ::testing::PrintToString(mask);
    ASSERT_EQ(BlockCosts(*time, mask), BlockCosts(*flops, mask)) << "mask " << i;
  }
}

TEST_P(ProfileTimeOfModel, HasTheTensorsBlocksAndSavedBytesOfTheFlopsProfile) {
  const Model& model = GetParam();
  const auto flops = Profile(model.loss(), model.parameters, {.resident = model.inputs});
  ASSERT_TRUE(flops.ok()) << flops.status();
  const auto time = ProfileTime(model.loss, model.parameters, {.resident = model.inputs, .repetitions = 1});
  ASSERT_TRUE(time.ok()) << time.status();
  EXPECT_EQ(time->blocks, flops->blocks);
  ASSERT_EQ(time->tensors.size(), flops->tensors.size());
  std::mt19937_64 random(20260302);
  for (size_t k = 0; k < flops->tensors.size(); ++k) {
    EXPECT_EQ(time->tensors[k].name, flops->tensors[k].name);
    EXPECT_EQ(time->tensors[k].shape, flops->tensors[k].shape);
    EXPECT_EQ(time->tensors[k].op == kNone, flops->tensors[k].op == kNone);
  }
  for (int i = 0; i < 50; ++i) {
    const std::vector<bool> mask = RandomMask(*flops, random);
    EXPECT_EQ(EvaluateMask(*time, mask).saved_bytes, EvaluateMask(*flops, mask).saved_bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(AllModels, ProfileTimeOfModel, ::testing::ValuesIn(testing::AllModels()),
                         [](const ::testing::TestParamInfo<Model>& info) {
                           std::string name = info.param.name;
                           std::erase_if(name, [](char c) { return !std::isalnum(c); });
                           return name;
                         });

TEST(ProfileTimeTest, SplitsCheckpointsByFlops) {
  const at::Tensor first = Parameter({7, 5}), second = Parameter({11, 7}), third = Parameter({2, 11});
  const at::Tensor x = at::randn({3, 5});
  const auto loss = [&] {
    const at::Tensor h = Checkpoint(
        [&](const std::vector<at::Tensor>& inputs) { return at::linear(at::linear(inputs[0], first).tanh(), second); },
        {x}, {first, second});
    return at::linear(h.tanh(), third).sum();
  };
  const NamedParameters parameters = {{"first", first}, {"second", second}, {"third", third}};
  const auto flops = Profile(loss(), parameters);
  ASSERT_TRUE(flops.ok()) << flops.status();
  const auto time = ProfileTime(loss, parameters, {.now_nanoseconds = FlopsClock().now()});
  ASSERT_TRUE(time.ok()) << time.status();
  for (int bits = 1; bits < 8; ++bits) {
    const std::vector<bool> mask = {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
    EXPECT_EQ(EvaluateMask(*time, mask).backward_cost, EvaluateMask(*flops, mask).backward_cost) << bits;
  }
}

TEST(ProfileTimeTest, ForwardCostIsTheMedianForwardPass) {
  const at::Tensor weight = Parameter({7, 5});
  const auto time = ProfileTime(
      [&] {
        return at::linear(at::ones({3, 5}), weight).sum();
      },
      {{"weight", weight}}, {.now_nanoseconds = FlopsClock().now()});
  ASSERT_TRUE(time.ok()) << time.status();
  EXPECT_EQ(time->forward_cost, 2 * 3 * 5 * 7);
}

TEST(ProfileTimeTest, FullBackwardCostsWhatItTookAsAWhole) {
  // The clock advances whenever it is read. So a backward pass that is timed as a whole takes 1000, and one that is
  // timed node by node takes several times as long.
  const at::Tensor weight = Parameter({7, 5});
  const auto time = ProfileTime(
      [&] {
        return at::linear(at::ones({3, 5}), weight).sum();
      },
      {{"weight", weight}}, {.now_nanoseconds = [now = int64_t{0}]() mutable { return now += 1000; }});
  ASSERT_TRUE(time.ok()) << time.status();
  EXPECT_NEAR(EvaluateMask(*time, {true}).backward_cost, 1000, 5);  // Costs are rounded one by one.
}

TEST(ProfileTimeTest, FrozenParametersAreNeverTrained) {
  const at::Tensor first = Parameter({7, 5}), second = Parameter({2, 7});
  const auto time = ProfileTime(
      [&] {
        return at::linear(at::linear(at::ones({3, 5}), first), second).sum();
      },
      {{"first", first}, {"second", second}}, {.frozen = {"first"}, .now_nanoseconds = FlopsClock().now()});
  ASSERT_TRUE(time.ok()) << time.status();
  EXPECT_EQ(time->tensors[0].op, kNone);
  EXPECT_EQ(EvaluateMask(*time, FullMask(*time)).backward_cost, 2 * 3 * 7 * 2);
}

struct Net : torch::nn::Module {
  Net() {
    weight = register_parameter("weight", at::randn({5, 7}));
    scale = register_parameter("scale", at::randn({5}));
    shift = register_parameter("shift", at::randn({5}));
    mean = register_buffer("mean", at::zeros({5}));
    variance = register_buffer("variance", at::ones({5}));
  }

  at::Tensor loss() {
    const at::Tensor h = at::dropout(at::linear(x, weight), 0.5, /*train=*/true);
    return at::batch_norm(h, scale, shift, mean, variance, /*training=*/true, 0.1, 1e-5, false).pow(2).sum();
  }

  at::Tensor x = at::randn({3, 7});
  at::Tensor weight, scale, shift, mean, variance;
};

TEST(ProfileTimeTest, LeavesTheModuleAndTheRandomStateAsTheyWere) {
  Net net;
  const at::Tensor weight_before = net.weight.detach().clone(), gradient = at::ones({5, 7});
  net.scale.set_requires_grad(false);
  net.weight.mutable_grad() = gradient;
  at::manual_seed(7);
  const at::Tensor expected_draw = at::rand({4});
  at::manual_seed(7);
  const auto time = ProfileTime(net, [&] { return net.loss(); }, {.repetitions = 2});
  ASSERT_TRUE(time.ok()) << time.status();
  EXPECT_EQ(time->tensors.size(), 3);
  EXPECT_TRUE(at::equal(at::rand({4}), expected_draw));
  EXPECT_FALSE(net.scale.requires_grad());
  EXPECT_TRUE(net.weight.requires_grad());
  EXPECT_TRUE(at::equal(net.weight, weight_before));
  EXPECT_TRUE(net.weight.grad().is_same(gradient));
  EXPECT_TRUE(at::equal(gradient, at::ones({5, 7})));
  EXPECT_FALSE(net.shift.grad().defined());
  EXPECT_TRUE(at::equal(net.mean, at::zeros({5})));
  EXPECT_TRUE(at::equal(net.variance, at::ones({5})));
}

TEST(ProfileTimeTest, RunsEveryForwardPassFromTheSameRandomState) {
  const at::Tensor weight = Parameter({3});
  std::vector<double> draws;
  const auto time = ProfileTime(
      [&] {
        const at::Tensor noise = at::rand({3});
        draws.push_back(noise[0].item<double>());
        return (weight * noise).sum();
      },
      {{"weight", weight}}, {.repetitions = 2});
  ASSERT_TRUE(time.ok()) << time.status();
  EXPECT_EQ(std::count(draws.begin(), draws.end(), draws[0]), static_cast<int64_t>(draws.size()));
}

TEST(ProfileTimeTest, RefusesWhatProfileRefuses) {
  const at::Tensor weight = Parameter({3}), constant = at::randn({3});
  ExpectStatus(ProfileTime([&] { return constant.sum(); }, {{"weight", weight}}).status(),
               absl::StatusCode::kInvalidArgument, "loss does not require grad");
  ExpectStatus(ProfileTime([&] { return (weight * Parameter({3})).sum(); }, {{"weight", weight}}).status(),
               absl::StatusCode::kInvalidArgument, "is not among the parameters");
  ExpectStatus(ProfileTime([&] { return weight.sum(); }, {{"weight", at::Tensor()}}).status(),
               absl::StatusCode::kInvalidArgument, "parameter weight is not defined");
  ExpectStatus(ProfileTime([&] { return weight.sum(); }, {{"weight", weight}}, {.frozen = {"bias"}}).status(),
               absl::StatusCode::kInvalidArgument, "bias, which is not a parameter");
  torch::nn::Module empty("empty");
  ExpectStatus(ProfileTime(empty, [&] { return weight.sum(); }).status(), absl::StatusCode::kInvalidArgument,
               "module empty has no floating-point parameters");
}

TEST(ProfileTimeTest, RefusesRepetitionsOutOfRange) {
  const at::Tensor weight = Parameter({3});
  for (const int repetitions : {0, -1, 1001}) {
    ExpectStatus(ProfileTime([&] { return weight.sum(); }, {{"weight", weight}}, {.repetitions = repetitions}).status(),
                 absl::StatusCode::kInvalidArgument, "options.repetitions is " + std::to_string(repetitions));
  }
}

TEST(ProfileTimeTest, RefusesALossThatBuildsADifferentGraphInEachCall) {
  const at::Tensor weight = Parameter({3});
  int calls = 0;
  const auto loss = [&] {
    at::Tensor x = weight;
    for (int i = 0; i <= calls; ++i) x = x.exp();
    ++calls;
    return x.sum();
  };
  ExpectStatus(ProfileTime(loss, {{"weight", weight}}).status(), absl::StatusCode::kInvalidArgument,
               "it must run the same operators in every call");
}

TEST(ProfileTimeTest, RefusesAGraphOnSeveralDevices) {
  const at::Tensor weight = Parameter({3});
  ExpectStatus(ProfileTime([&] { return weight.to(at::kMeta).sum(); }, {{"weight", weight}}).status(),
               absl::StatusCode::kUnimplemented, "time can be measured only if all of it runs on one device");
}

TEST(ProfileTimeTest, ReportsAForwardPassThatThrowsAndRestoresTheModule) {
  Net net;
  net.weight.set_requires_grad(false);
  net.scale.mutable_grad() = at::ones({5});
  int calls = 0;
  const auto loss = [&] {
    if (++calls == 3) throw std::runtime_error("no batch");
    return net.loss();
  };
  ExpectStatus(ProfileTime(net, loss).status(), absl::StatusCode::kInternal, "forward pass failed: no batch");
  EXPECT_FALSE(net.weight.requires_grad());
  EXPECT_TRUE(at::equal(net.scale.grad(), at::ones({5})));
  EXPECT_TRUE(at::equal(net.mean, at::zeros({5})));
}

}  // namespace
}  // namespace greenplan::profiler
