#include "trainer_client/session/plan_execution.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ATen/TensorOperators.h"
#include "ATen/ops/mm.h"
#include "ATen/ops/ones.h"
#include "ATen/ops/randn.h"
#include "ATen/ops/zeros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kProduct = 2 * 3 * 4 * 4;  // FLOPs of a product of [3, 4] and [4, 4].

// x + x W for two blocks above a product with an embedding. Tensors 0 and 1 are the blocks', from the loss on; 2 is the
// embedding.
struct PlanExecutionTest : ::testing::Test {
  PlanExecutionTest() {
    profile.ops = {{.name = "loss", .inputs = {{.op = 1}, {.op = 2}}},
                   {.name = "first", .inputs = {{.op = 3, .cost = kProduct}}, .block = 0},
                   {.name = "second", .inputs = {{.op = 3, .cost = kProduct}}, .block = 1},
                   {.name = "embedding"}};
    profile.tensors = {{.name = "first.weight", .op = 1, .weight_grad_cost = kProduct},
                       {.name = "second.weight", .op = 2, .weight_grad_cost = kProduct},
                       {.name = "embedding", .op = 3, .weight_grad_cost = kProduct}};
    profile.blocks = {"first", "second"};
    for (const Tensor& tensor : profile.tensors) {
      parameters.emplace_back(tensor.name, at::randn({4, 4}).requires_grad_(true));
    }
  }

  at::Tensor Loss() const {
    const at::Tensor x = at::mm(at::ones({3, 4}), parameters[2].second);
    const at::Tensor first = branches[0]([&] { return at::mm(x, parameters[0].second); });
    const at::Tensor second = branches[1]([&] { return at::mm(x, parameters[1].second); });
    return (x + first + second).sum();
  }

  PlanExecution NewExecution(DrawPer draw_per = DrawPer::kStep) const { return {parameters, branches, draw_per}; }

  std::vector<bool> HaveGradients() const {
    std::vector<bool> have;
    for (const auto& [name, parameter] : parameters) have.push_back(parameter.grad().defined());
    return have;
  }

  ModelProfile profile;
  NamedParameters parameters;
  const std::vector<ResidualBranch> branches = {ResidualBranch("first"), ResidualBranch("second")};
  const Plan selection{.trainable = {true, false, false}};
  const Plan drops_first{.trainable = {true, true, true}, .drop_rates = {1, 0}};
};

TEST_F(PlanExecutionTest, RequiresGradOfThePlansTensorsAloneUntilItEnds) {
  parameters[1].second.requires_grad_(false);
  {
    PlanExecution execution = NewExecution();
    execution.Enforce(profile, selection);
    EXPECT_THAT(GetTrainable(parameters), ElementsAre(true, false, false));
  }
  EXPECT_THAT(GetTrainable(parameters), ElementsAre(true, false, true)) << "as before";
}

TEST_F(PlanExecutionTest, AStepUndefinesGradientsThatItDoesNotReach) {
  PlanExecution execution = NewExecution();
  Loss().backward();
  execution.Enforce(profile, drops_first);
  execution.BeginStep();
  EXPECT_THAT(HaveGradients(), ElementsAre(false, true, true));
  EXPECT_EQ(execution.step_plan().predicted_backward_cost, 3 * kProduct);
}

TEST_F(PlanExecutionTest, ADroppedBlockRunsWithoutRecordingUntilTheStepEnds) {
  PlanExecution execution = NewExecution();
  execution.Enforce(profile, drops_first);
  execution.BeginStep();
  EXPECT_TRUE(branches[0].is_dropped());
  ASSERT_TRUE(*execution.Backward(Loss()));
  EXPECT_THAT(HaveGradients(), ElementsAre(false, true, true));
  EXPECT_THAT(execution.GradientsOfStep(), SizeIs(2));
  execution.EndStep();
  EXPECT_FALSE(branches[0].is_dropped());
  EXPECT_THAT(GetTrainable(parameters), ElementsAre(true, true, true));
  EXPECT_EQ(execution.steps(), 1);
}

TEST_F(PlanExecutionTest, RefusesABackwardOutsideOfSteps) {
  PlanExecution execution = NewExecution();
  for (const Plan& plan : {drops_first, Plan{.trainable = {true, true, true}}}) {
    execution.Enforce(profile, plan);
    EXPECT_EQ(execution.Backward(Loss()).status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(HaveGradients(), ElementsAre(false, false, false));
  }
}

TEST_F(PlanExecutionTest, DrawsForEachMicroBatchIfToldSo) {
  const Plan plan{.trainable = {true, true, true}, .drop_rates = {0.5, 0.5}};
  for (DrawPer draw_per : {DrawPer::kStep, DrawPer::kMicroBatch}) {
    PlanExecution execution = NewExecution(draw_per);
    execution.Enforce(profile, plan);
    std::set<std::vector<std::string>> draws;
    bool differ_within_a_step = false;
    for (int step = 0; step < 20; ++step) {
      execution.BeginStep();
      const std::vector<std::string> first = execution.step_plan().dropped_blocks;
      ASSERT_TRUE(execution.Backward(Loss()).ok());
      differ_within_a_step |= execution.step_plan().dropped_blocks != first;
      execution.EndStep();
      draws.insert(first);
    }
    EXPECT_GT(draws.size(), 1u);
    EXPECT_EQ(differ_within_a_step, draw_per == DrawPer::kMicroBatch);
  }
}

TEST_F(PlanExecutionTest, ALaterMicroBatchDoesNotDrawWhatALaterStepDraws) {
  const Plan plan{.trainable = {true, true, true}, .drop_rates = {0.5, 0.5}};
  PlanExecution execution = NewExecution(DrawPer::kMicroBatch);
  execution.Enforce(profile, plan);
  std::vector<std::vector<std::string>> first, second;  // Of each step's micro-batches.
  for (int step = 0; step < 20; ++step) {
    execution.BeginStep();
    first.push_back(execution.step_plan().dropped_blocks);
    ASSERT_TRUE(execution.Backward(Loss()).ok());
    second.push_back(execution.step_plan().dropped_blocks);
    execution.EndStep();
  }
  for (int later = 1; later <= 4; ++later) {
    first.erase(first.begin());
    second.pop_back();
    EXPECT_NE(first, second) << later << " steps later";
  }
}

TEST_F(PlanExecutionTest, AStepsGradientsAreThoseOfAllItsMicroBatches) {
  const Plan plan{.trainable = {true, true, true}, .drop_rates = {0.5, 0.5}};
  PlanExecution execution = NewExecution(DrawPer::kMicroBatch);
  execution.Enforce(profile, plan);
  bool last_reached_fewer = false;
  for (int step = 0; step < 20; ++step) {
    execution.BeginStep();
    std::vector<bool> reached(3, false);
    std::vector<bool> last;
    for (int micro_batch = 0; micro_batch < 2; ++micro_batch) {
      last = execution.step_plan().reached;
      for (size_t i = 0; i < reached.size(); ++i) reached[i] = reached[i] || last[i];
      ASSERT_TRUE(execution.Backward(Loss()).ok());
    }
    EXPECT_THAT(execution.GradientsOfStep(), SizeIs(std::count(reached.begin(), reached.end(), true)));
    last_reached_fewer |= last != reached;
    execution.EndStep();
  }
  EXPECT_TRUE(last_reached_fewer);
}

TEST_F(PlanExecutionTest, ADrawDependsOnTheNumberOfTheStep) {
  const Plan plan{.trainable = {true, true, true}, .drop_rates = {0.5, 0.5}};
  std::vector<std::vector<std::string>> draws;
  {
    PlanExecution execution = NewExecution();
    execution.Enforce(profile, plan);
    for (int step = 0; step < 20; ++step) {
      execution.BeginStep();
      draws.push_back(execution.step_plan().dropped_blocks);
      execution.EndStep();
    }
  }
  PlanExecution resumed = NewExecution();
  resumed.Enforce(profile, plan);
  for (int64_t step : {17, 3}) {
    resumed.set_steps(step);
    resumed.BeginStep();
    EXPECT_EQ(resumed.step_plan().dropped_blocks, draws[step]) << step;
    resumed.EndStep();
  }
}

TEST_F(PlanExecutionTest, AnOpenStepRunsEverythingAndEndsUnderThePlanMadeInIt) {
  PlanExecution execution = NewExecution();
  execution.Enforce(profile, drops_first);
  execution.BeginOpenStep({.reached = {true, true, true}, .predicted_backward_cost = 5 * kProduct});
  EXPECT_FALSE(branches[0].is_dropped());
  ASSERT_TRUE(*execution.Backward(Loss()));
  EXPECT_THAT(HaveGradients(), ElementsAre(true, true, true));
  execution.Enforce(profile, selection);
  execution.UndefineFrozenGradients();
  EXPECT_FALSE(execution.is_open());
  EXPECT_THAT(HaveGradients(), ElementsAre(true, false, false));
  EXPECT_THAT(execution.GradientsOfStep(), SizeIs(1));
  execution.EndStep();
  EXPECT_THAT(execution.TakeNotices(), IsEmpty()) << "it has executed what an open step runs";
}

TEST_F(PlanExecutionTest, NoMicroBatchOfAnOpenStepDropsABlock) {
  PlanExecution execution = NewExecution(DrawPer::kMicroBatch);
  execution.Enforce(profile, drops_first);
  execution.BeginOpenStep({.reached = {true, true, true}, .predicted_backward_cost = 5 * kProduct});
  for (int micro_batch = 0; micro_batch < 3; ++micro_batch) {
    EXPECT_FALSE(branches[0].is_dropped()) << micro_batch;
    EXPECT_EQ(execution.step_plan().predicted_backward_cost, 5 * kProduct);
    ASSERT_TRUE(*execution.Backward(Loss()));
  }
  EXPECT_TRUE(execution.is_open());
}

TEST_F(PlanExecutionTest, AnOpenStepUndefinesGradientsThatItDoesNotReach) {
  PlanExecution execution = NewExecution();
  execution.Enforce(profile, {.trainable = {true, true, true}});
  for (const auto& [name, parameter] : parameters) parameter.mutable_grad() = at::zeros({4, 4});
  execution.BeginOpenStep({.reached = {true, false, true}, .predicted_backward_cost = 0});
  EXPECT_THAT(HaveGradients(), ElementsAre(true, false, true));
}

TEST_F(PlanExecutionTest, GivesZerosForATensorThatNoLossHasReached) {
  PlanExecution execution = NewExecution();
  execution.Enforce(profile, {.trainable = {true, true, true}});
  execution.BeginStep();
  ASSERT_TRUE(*execution.Backward(parameters[2].second.sum()));
  const std::vector<at::Tensor> gradients = execution.GradientsOfStep();
  ASSERT_THAT(gradients, SizeIs(3));
  EXPECT_EQ(gradients[0].abs().sum().item<double>(), 0);
  EXPECT_GT(gradients[2].abs().sum().item<double>(), 0);
}

TEST_F(PlanExecutionTest, TellsOfFlagsThatSomeoneElseChanged) {
  PlanExecution execution = NewExecution();
  execution.Enforce(profile, selection);
  parameters[2].second.requires_grad_(true);
  execution.BeginStep();
  EXPECT_THAT(execution.TakeNotices(), ElementsAre(HasSubstr("requires_grad of embedding was changed")));
  EXPECT_THAT(execution.TakeNotices(), IsEmpty());
  EXPECT_THAT(GetTrainable(parameters), ElementsAre(true, false, false));
}

TEST_F(PlanExecutionTest, ComparesTheFirstBackwardUnderAPlanWithItsPrediction) {
  PlanExecution execution = NewExecution();
  execution.Enforce(profile, selection);
  for (int step = 0; step < 2; ++step) {
    execution.BeginStep();
    ASSERT_TRUE(*execution.Backward(Loss()));
    execution.EndStep();
  }
  EXPECT_THAT(execution.TakeNotices(), IsEmpty());
  profile.tensors[0].weight_grad_cost += 1;
  execution.Enforce(profile, selection);
  for (int step = 0; step < 2; ++step) {
    execution.BeginStep();
    ASSERT_TRUE(*execution.Backward(Loss()));
    execution.EndStep();
  }
  EXPECT_THAT(execution.TakeNotices(),
              ElementsAre(HasSubstr("executed 96 FLOPs in the first step under this plan, but 97 were predicted")));
}

}  // namespace
}  // namespace greenplan::trainer
