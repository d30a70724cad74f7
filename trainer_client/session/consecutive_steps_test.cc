#include "trainer_client/session/consecutive_steps.h"

#include <cmath>
#include <memory>

#include "ATen/TensorOperators.h"
#include "ATen/ops/full_like.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "profiler/autograd/testing/test_device.h"
#include "trainer_client/optimizer/adamw.h"

namespace greenplan::trainer {
namespace {

using profiler::testing::Randn;
using ::testing::IsEmpty;

double Dot(const at::Tensor& a, const at::Tensor& b) { return (a.to(at::kDouble) * b).sum().item<double>(); }

// Tensors 0 and 1 train, 2 is frozen by the plan in force, 3 is not measured.
struct ConsecutiveStepsTest : ::testing::Test {
  ConsecutiveStepsTest() {
    at::manual_seed(3);
    for (const char* name : {"a", "b", "frozen", "never"}) {
      parameters.emplace_back(name, Randn({5, 7}).requires_grad_(true));
    }
    optimizer = std::make_unique<AdamW>(parameters, AdamWOptions{.learning_rate = 1e-2, .weight_decay = 0.1});
    Backward();
    optimizer->Step();
  }

  void Backward() {
    gradients.clear();
    for (auto& [name, parameter] : parameters) {
      gradients.push_back(Randn({5, 7}));
      parameter.mutable_grad() = gradients.back();
    }
  }

  void Step() {
    parameters[2].second.mutable_grad().reset();
    parameters[3].second.mutable_grad().reset();
    optimizer->Step();
    optimizer->ClearGradients();
  }

  NamedParameters parameters;
  std::unique_ptr<AdamW> optimizer;
  std::vector<at::Tensor> gradients;
  const std::vector<bool> measured = {true, true, true, false}, steps = {true, true, false, false};
};

TEST_F(ConsecutiveStepsTest, PairsEachStepsGradientWithTheUpdateOfTheStepBefore) {
  ConsecutiveSteps pairs(parameters, *optimizer, 4);
  std::vector<std::vector<double>> expected(4);
  std::vector<at::Tensor> updates;
  for (int step = 0; step < 4; ++step) {
    optimizer->set_learning_rate(1e-2 / (step + 1));
    Backward();
    for (size_t i = 0; i < updates.size(); ++i) expected[i].push_back(-Dot(gradients[i], updates[i]));
    updates.clear();
    for (int i = 0; i < 3; ++i) updates.push_back(optimizer->NextUpdate(parameters[i].second, gradients[i]));
    EXPECT_FALSE(pairs.is_complete());
    pairs.AddStep(measured, steps);
    for (size_t i = 0; i < parameters.size(); ++i) EXPECT_TRUE(parameters[i].second.grad().is_same(gradients[i]));
    Step();
  }
  ASSERT_TRUE(pairs.is_complete());
  const auto importance = pairs.Result();
  ASSERT_TRUE(importance.ok()) << importance.status();
  for (int i = 0; i < 3; ++i) {
    double mean = 0, squares = 0, magnitude = 0;
    for (double pair : expected[i]) mean += pair / 3, magnitude += std::abs(pair);
    for (double pair : expected[i]) squares += (pair - mean) * (pair - mean);
    EXPECT_NEAR(importance->mean[i], mean, 1e-4 * magnitude) << i;
    EXPECT_NEAR(importance->standard_error[i], std::sqrt(squares / 2 / 3), 1e-4 * magnitude) << i;
  }
  EXPECT_EQ(importance->mean[3], 0);
}

TEST_F(ConsecutiveStepsTest, TwoStepsAreOnePairWithoutAStandardError) {
  ConsecutiveSteps pairs(parameters, *optimizer, 2);
  for (int step = 0; step < 2; ++step) {
    Backward();
    pairs.AddStep(measured, steps);
    Step();
  }
  EXPECT_THAT(pairs.Result()->standard_error, IsEmpty());
}

TEST_F(ConsecutiveStepsTest, KeepsTheUpdatesOfAnOptimizerThatDoesNotTellItsLast) {
  struct Doubling : UpdateRule {
    at::Tensor NextUpdate(const at::Tensor&, const at::Tensor& gradient) const override { return gradient * 2; }
  } rule;
  ConsecutiveSteps pairs(parameters, rule, 2);
  Backward();
  const at::Tensor first = gradients[0];
  pairs.AddStep(measured, steps);
  Backward();
  pairs.AddStep(measured, steps);
  const double expected = -Dot(gradients[0], first * 2);
  EXPECT_NEAR(pairs.Result()->mean[0], expected, 1e-5 * std::abs(expected));
}

TEST_F(ConsecutiveStepsTest, AGradientMeetsTheUpdateOfTheVeryStepBeforeAndOfNoEarlierOne) {
  ConsecutiveSteps pairs(parameters, *optimizer, 3);
  for (int step = 0; step < 3; ++step) {
    Backward();
    if (step == 1) {  // Reaches neither a tensor that trains nor a frozen one.
      for (int i : {0, 2}) parameters[i].second.mutable_grad().reset();
    }
    pairs.AddStep(measured, steps);
    Step();
  }
  const auto importance = pairs.Result();
  ASSERT_TRUE(importance.ok()) << importance.status();
  EXPECT_EQ(importance->mean[0], 0);
  EXPECT_NE(importance->mean[1], 0);
  EXPECT_EQ(importance->mean[2], 0);
}

TEST_F(ConsecutiveStepsTest, ABatchThatDoesNotReachATensorCountsAsZeroAndDivergedOnesAreNamed) {
  ConsecutiveSteps pairs(parameters, *optimizer, 2);
  Backward();
  parameters[0].second.mutable_grad().reset();
  pairs.AddStep(measured, steps);
  Backward();
  parameters[1].second.mutable_grad() = at::full_like(gradients[1], NAN);
  pairs.AddStep(measured, steps);
  const auto importance = pairs.Result();
  EXPECT_EQ(importance.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(importance.status().message()), ::testing::HasSubstr("the importance of b is nan"));
}

}  // namespace
}  // namespace greenplan::trainer
