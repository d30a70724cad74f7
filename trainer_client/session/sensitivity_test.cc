#include "trainer_client/session/sensitivity.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "ATen/Context.h"
#include "ATen/TensorOperators.h"
#include "ATen/ops/dropout.h"
#include "ATen/ops/equal.h"
#include "ATen/ops/mm.h"
#include "ATen/ops/zeros_like.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "profiler/autograd/checkpoint.h"
#include "profiler/autograd/testing/test_device.h"
#include "trainer_client/session/random_state.h"

namespace greenplan::trainer {
namespace {

using profiler::testing::Randn;
using ::testing::HasSubstr;

constexpr int kBlocks = 4;

// An embedding, four residual blocks under dropout and a head.
struct SensitivityTest : ::testing::Test {
  SensitivityTest() {
    at::manual_seed(3);
    parameters.emplace_back("embedding", Randn({6, 8}).requires_grad_(true));
    for (int b = 0; b < kBlocks; ++b) {
      const std::string name = "layers." + std::to_string(b);
      parameters.emplace_back(name, (Randn({8, 8}) / 2).requires_grad_(true));
      branches.emplace_back(name);
    }
    parameters.emplace_back("head", Randn({8, 2}).requires_grad_(true));
  }

  at::Tensor Block(int b, const at::Tensor& x) const {
    const at::Tensor& weight = parameters[b + 1].second;
    return x + branches[b]([&] { return at::dropout(at::mm(x.tanh(), weight), 0.3, /*train=*/true); });
  }

  at::Tensor Forward() const {
    at::Tensor x = at::mm(input, parameters[0].second);
    for (int b = 0; b < kBlocks; ++b) {
      x = b >= checkpointed
              ? Block(b, x)
              : profiler::Checkpoint([this, b](const std::vector<at::Tensor>& in) { return Block(b, in[0]); }, {x},
                                     {parameters[b + 1].second});
    }
    return at::mm(x, parameters.back().second).square().mean();
  }

  // By the definition: a forward and a backward pass with the block dropped.
  std::vector<at::Tensor> GradientsWithout(int dropped) const {
    const RandomStateGuard guard;
    if (dropped >= 0) branches[dropped].set_dropped(true);
    Forward().backward();
    if (dropped >= 0) branches[dropped].set_dropped(false);
    std::vector<at::Tensor> gradients;
    for (const auto& [name, parameter] : parameters) {
      gradients.push_back(parameter.grad().defined() ? parameter.grad().to(at::kDouble)
                                                     : at::zeros_like(parameter, at::kDouble).detach());
      parameter.mutable_grad().reset();
    }
    return gradients;
  }

  double Expected(int b, SensitivityDefinition definition) const {
    const std::vector<at::Tensor> g = GradientsWithout(-1), without = GradientsWithout(b);
    double difference = 0, norm = 0, norm_without = 0;
    for (size_t i = 0; i < g.size(); ++i) {
      if (!trainable[i]) continue;
      difference += (g[i] - without[i]).square().sum().item<double>();
      norm += g[i].square().sum().item<double>();
      norm_without += without[i].square().sum().item<double>();
    }
    if (definition == SensitivityDefinition::kGradientDifference) return difference;
    return std::pow(std::sqrt(norm) - std::sqrt(norm_without), 2);
  }

  void ExpectTheDefinition() {
    for (auto definition : {SensitivityDefinition::kGradientDifference, SensitivityDefinition::kNormDifference}) {
      const auto measured = MeasureSensitivity(parameters, trainable, branches, definition, loss);
      ASSERT_TRUE(measured.ok()) << measured.status();
      for (int b = 0; b < kBlocks; ++b) {
        const double expected = Expected(b, definition);
        EXPECT_GT(expected, 0);
        EXPECT_NEAR((*measured)[b], expected, 1e-4 * expected + 1e-9) << b;
      }
    }
  }

  NamedParameters parameters;
  std::vector<ResidualBranch> branches;
  std::vector<bool> trainable = std::vector<bool>(kBlocks + 2, true);
  const at::Tensor input = Randn({5, 6});
  int checkpointed = 0;  // So many blocks, the first ones.
  LossFunction loss = [this](int) { return Forward(); };
};

TEST_F(SensitivityTest, IsTheDefinitionOfBoth) { ExpectTheDefinition(); }

TEST_F(SensitivityTest, IsTheDefinitionUnderCheckpointingToo) {
  for (int blocks : {kBlocks, 2}) {
    checkpointed = blocks;
    ExpectTheDefinition();
  }
}

TEST_F(SensitivityTest, CountsTheTrainableTensorsAlone) {
  trainable[0] = trainable[2] = false;
  ExpectTheDefinition();
}

TEST_F(SensitivityTest, LeavesEverythingAsItWas) {
  for (int blocks : {0, kBlocks}) {
    checkpointed = blocks;
    parameters[1].second.requires_grad_(false);
    branches[2].set_dropped(true);
    const RandomState random_state = GetRandomState();
    ASSERT_TRUE(
        MeasureSensitivity(parameters, trainable, branches, SensitivityDefinition::kGradientDifference, loss).ok());
    EXPECT_TRUE(at::equal(GetRandomState().back().second, random_state.back().second));
    for (size_t i = 0; i < parameters.size(); ++i) {
      EXPECT_FALSE(parameters[i].second.grad().defined());
      EXPECT_EQ(parameters[i].second.requires_grad(), i != 1);
    }
    for (int b = 0; b < kBlocks; ++b) EXPECT_EQ(branches[b].is_dropped(), b == 2);
  }
}

TEST_F(SensitivityTest, IsZeroForABlockThatHarmsNothing) {
  trainable.assign(kBlocks + 2, false);
  trainable.back() = true;  // The head's gradient does not pass through any block.
  const auto measured =
      MeasureSensitivity(parameters, trainable, branches, SensitivityDefinition::kGradientDifference, loss);
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_THAT(*measured, ::testing::Each(0.0));
}

TEST_F(SensitivityTest, OfALossThatHasRunLeavesItsGraph) {
  const RandomState random_state = GetRandomState();
  std::vector<double> in_step;
  {
    const BranchOutputs outputs(branches);
    const at::Tensor value = Forward();
    const auto measured =
        SensitivityOfLoss(parameters, trainable, branches, SensitivityDefinition::kGradientDifference, outputs, value);
    ASSERT_TRUE(measured.ok()) << measured.status();
    in_step = *measured;
    value.backward();
    EXPECT_TRUE(parameters[0].second.grad().defined());
    for (const auto& [name, parameter] : parameters) parameter.mutable_grad().reset();
  }
  SetRandomState(random_state);
  const auto separate =
      MeasureSensitivity(parameters, trainable, branches, SensitivityDefinition::kGradientDifference, loss);
  EXPECT_EQ(in_step, *separate);
}

TEST_F(SensitivityTest, ReportsWhatWentWrong) {
  const auto twice = MeasureSensitivity(parameters, trainable, branches, SensitivityDefinition::kGradientDifference,
                                        [&](int) { return Forward() + Forward(); });
  EXPECT_EQ(twice.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(twice.status().message()), HasSubstr("the residual branch layers.0 ran 2 times"));

  const auto diverged = MeasureSensitivity(parameters, trainable, branches, SensitivityDefinition::kGradientDifference,
                                           [&](int) { return Forward() * std::numeric_limits<double>::infinity(); });
  EXPECT_EQ(diverged.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(diverged.status().message()), HasSubstr("the sensitivity of layers.0 is"));

  checkpointed = kBlocks;
  const BranchOutputs outputs(branches);
  const at::Tensor value = Forward();
  const auto in_step =
      SensitivityOfLoss(parameters, trainable, branches, SensitivityDefinition::kGradientDifference, outputs, value);
  EXPECT_EQ(in_step.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(in_step.status().message()), HasSubstr("use the separate probe"));
}

}  // namespace
}  // namespace greenplan::trainer
