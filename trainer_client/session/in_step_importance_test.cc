#include "trainer_client/session/in_step_importance.h"

#include <cmath>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "profiler/autograd/testing/test_device.h"
#include "trainer_client/optimizer/adamw.h"

namespace greenplan::trainer {
namespace {

using profiler::testing::Randn;
using ::testing::HasSubstr;
using ::testing::SizeIs;

struct InStepImportanceTest : ::testing::Test {
  InStepImportanceTest() {
    at::manual_seed(5);
    for (const char* name : {"a", "b"}) parameters.emplace_back(name, Randn({3, 4}).requires_grad_(true));
    optimizer = std::make_unique<AdamW>(parameters, AdamWOptions{});
    Backward();
  }

  void Backward() {
    for (auto& [name, parameter] : parameters) parameter.mutable_grad() = Randn({3, 4});
  }

  NamedParameters parameters;
  std::unique_ptr<AdamW> optimizer;
  const std::vector<bool> everything = {true, true};
};

TEST_F(InStepImportanceTest, OneStepIsEnoughUnlessBatchesAreCompared) {
  const ImportanceOptions options{.update_rule = optimizer.get(), .probe_batches = 3};
  InStepImportance importance(parameters, options);
  EXPECT_FALSE(importance.is_complete());
  ASSERT_EQ(importance.AddStep(everything, everything), absl::OkStatus());
  ASSERT_TRUE(importance.is_complete());
  EXPECT_EQ(importance.result().mean, ImportanceOfGradients(parameters, everything, options)->mean);
}

TEST_F(InStepImportanceTest, CrossFittedTakesAsManyStepsAsBatches) {
  const ImportanceOptions options{
      .metric = v1::IMPORTANCE_METRIC_CROSS_FITTED, .update_rule = optimizer.get(), .probe_batches = 3};
  InStepImportance importance(parameters, options);
  ConsecutiveSteps expected(parameters, *optimizer, 3);
  for (int step = 0; step < 3; ++step) {
    EXPECT_FALSE(importance.is_complete());
    Backward();
    ASSERT_EQ(importance.AddStep(everything, {true, false}), absl::OkStatus());
    expected.AddStep(everything, {true, false});
    optimizer->Step();
  }
  ASSERT_TRUE(importance.is_complete());
  EXPECT_EQ(importance.result().mean, expected.Result()->mean);
  EXPECT_EQ(importance.result().standard_error, expected.Result()->standard_error);
  EXPECT_THAT(importance.result().standard_error, SizeIs(2));
}

TEST_F(InStepImportanceTest, ATensorWhoseImportanceIsNotFiniteIsNamed) {
  parameters[1].second.mutable_grad().fill_(NAN);
  InStepImportance importance(parameters, {.update_rule = optimizer.get()});
  const absl::Status status = importance.AddStep(everything, everything);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("b"));
  EXPECT_FALSE(importance.is_complete());
}

}  // namespace
}  // namespace greenplan::trainer
