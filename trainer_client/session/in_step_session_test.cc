#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ATen/Context.h"
#include "ATen/TensorOperators.h"
#include "ATen/ops/equal.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "profiler/autograd/executed_flops.h"
#include "trainer_client/session/drift_schedule.h"
#include "trainer_client/session/testing/test_sessions.h"
#include "trainer_client/session/training_session.h"

namespace greenplan::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

// The same steps with the probe in the first of them.
struct InStepTest : SessionOfBlocksTest {
  std::vector<bool> MaskOf(const std::set<std::string>& names) const {
    std::vector<bool> mask;
    for (const auto& [name, parameter] : parameters) mask.push_back(names.contains(name));
    return mask;
  }

  // A step with one micro-batch, whose loss is multiplied by `scale`.
  absl::StatusOr<std::optional<Round>> RunMeasuringStep(TrainingSession& session, double scale = 1) {
    EXPECT_TRUE(session.BeginStep().ok());
    EXPECT_TRUE(session.Backward(Stack() * scale).ok());
    return session.Step();
  }
};

TEST_F(InStepTest, MeasuresFromTheStepsOwnGradientsAndThePlanHoldsAtItsOptimizerStep) {
  UseMethod(v1::METHOD_SELECTION, 0.5);
  options.plan.add_never("layers.1.up");
  auto session = NewSession();
  for (int round_index = 0; round_index < 2; ++round_index) {
    const auto before = Weights();
    ASSERT_TRUE(session->BeginRoundInStep().ok());
    ASSERT_TRUE(session->BeginStep().ok());
    const at::Tensor value = Stack();
    const profiler::ExecutedFlopsCounter counter;
    ASSERT_TRUE(session->Backward(value).ok());
    const int64_t executed = counter.backward_flops();
    std::vector<double> expected;
    for (const auto& [name, parameter] : parameters) {
      const at::Tensor& gradient = parameter.grad();
      if (!gradient.defined()) continue;
      const at::Tensor products = gradient.to(at::kDouble) * optimizer->NextUpdate(parameter, gradient);
      expected.push_back(-products.sum().item<double>());
    }
    auto round = session->Step();
    ASSERT_TRUE(round.ok()) << round.status();
    ASSERT_TRUE(round->has_value());
    EXPECT_EQ((*round)->plan.round(), round_index);
    EXPECT_EQ(executed, (*round)->probe_backward_cost + (*round)->predicted_backward_cost);
    EXPECT_GT((*round)->probe_backward_cost, 0);

    const auto& report = connection->last_report;
    ASSERT_THAT(report.unmeasured(), ElementsAre(3));
    EXPECT_EQ(expected.size(), parameters.size() - 1) << "no gradient is kept for what never trains";
    for (size_t i = 0, k = 0; i < parameters.size(); ++i) {
      if (i == 3) continue;
      EXPECT_NEAR(report.importance(static_cast<int>(i)), expected[k], kAccuracy * std::abs(expected[k])) << k;
      ++k;
    }
    for (const auto& [name, parameter] : parameters) {
      const bool trains = std::count((*round)->trainable.begin(), (*round)->trainable.end(), name) == 1;
      EXPECT_EQ(at::equal(parameter, before.at(name)), !trains) << name;
      EXPECT_EQ(parameter.requires_grad(), trains) << name;
    }
    for (int step = 0; step < 2; ++step) RunStep(*session);
    EXPECT_THAT(session->TakeNotices(), IsEmpty());
  }
  EXPECT_EQ(session->state().next_step, 6);
}

TEST_F(InStepTest, PlansWhatTheSeparateProbePlansFromTheSameBatch) {
  const std::pair<v1::Method, SensitivityDefinition> cases[] = {
      {v1::METHOD_SELECTION, SensitivityDefinition::kGradientDifference},
      {v1::METHOD_DROP, SensitivityDefinition::kGradientDifference},
      {v1::METHOD_JOINT, SensitivityDefinition::kGradientDifference},
      {v1::METHOD_DROP, SensitivityDefinition::kNormDifference}};
  for (const auto& [method, sensitivity] : cases) {
    UseMethod(method, 0.5);
    options.sensitivity = sensitivity;
    options.job = "";
    auto separate = NewSession();
    at::manual_seed(9);
    auto expected = separate->BeginRound(loss);
    ASSERT_TRUE(expected.ok()) << expected.status();
    const v1::ImportanceReport expected_report = connection->last_report;
    separate.reset();
    for (auto& [name, parameter] : parameters) parameter.requires_grad_(true);

    options.job = "";
    auto session = NewSession();
    ASSERT_TRUE(session->BeginRoundInStep().ok());
    ASSERT_TRUE(session->BeginStep().ok());
    at::manual_seed(9);
    ASSERT_TRUE(session->Backward(Stack()).ok());
    auto actual = session->PlanFromGradients();
    ASSERT_TRUE(actual.ok()) << actual.status();
    ASSERT_TRUE(actual->has_value());
    EXPECT_EQ((*actual)->plan.digest(), expected->plan.digest()) << method;
    EXPECT_THAT(connection->last_report.sensitivity(), ElementsAreArray(expected_report.sensitivity())) << method;
    EXPECT_EQ((*actual)->sensitivity_flops > 0, method != v1::METHOD_SELECTION);
    EXPECT_FALSE(session->PlanFromGradients()->has_value()) << "once a step";
    session.reset();
    for (auto& [name, parameter] : parameters) {
      parameter.mutable_grad().reset();
      parameter.requires_grad_(true);
    }
  }
}

TEST_F(InStepTest, WorksWithAccumulation) {
  UseMethod(v1::METHOD_SELECTION, 0.5);
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRoundInStep().ok());
  ASSERT_TRUE(session->BeginStep().ok());
  for (int micro_batch = 0; micro_batch < 3; ++micro_batch) ASSERT_TRUE(session->Backward(Stack() / 3).ok());
  std::vector<at::Tensor> gradients;
  for (const auto& [name, parameter] : parameters) gradients.push_back(parameter.grad());
  auto round = session->PlanFromGradients();
  ASSERT_TRUE(round.ok() && round->has_value()) << round.status();
  for (size_t i = 0; i < parameters.size(); ++i) {
    const bool trains = parameters[i].second.requires_grad();
    EXPECT_EQ(parameters[i].second.grad().defined(), trains);
    if (!trains) continue;
    EXPECT_TRUE(parameters[i].second.grad().is_same(gradients[i])) << "kept, not computed again";
  }
  ASSERT_TRUE(session->Step().ok());
}

// As a loop in half precision does, so that small gradients do not vanish.
TEST_F(InStepTest, WorksWithAScaledLossOnceTheGradientsAreUnscaled) {
  constexpr double kScale = 1024;  // A power of two, so that nothing is rounded.
  UseMethod(v1::METHOD_SELECTION, 0.5);
  std::vector<v1::ImportanceReport> reports;
  for (double scale : {1.0, kScale}) {
    options.job = "";
    auto session = NewSession();
    ASSERT_TRUE(session->BeginRoundInStep().ok());
    ASSERT_TRUE(session->BeginStep().ok());
    at::manual_seed(9);
    ASSERT_TRUE(session->Backward(Stack() * scale).ok());
    for (auto& [name, parameter] : parameters) parameter.mutable_grad().div_(scale);
    const auto round = session->PlanFromGradients();
    ASSERT_TRUE(round.ok() && round->has_value()) << round.status();
    reports.push_back(connection->last_report);
    session.reset();
    for (auto& [name, parameter] : parameters) parameter.requires_grad_(true).mutable_grad().reset();
  }
  EXPECT_THAT(reports[1].importance(), ElementsAreArray(reports[0].importance()));
}

TEST_F(InStepTest, CrossFitsOverConsecutiveStepsAndThePlanHoldsFromTheLastOn) {
  for (v1::Method method : {v1::METHOD_SELECTION, v1::METHOD_JOINT}) {
    UseMethod(method, 0.5);
    options.job = "";
    options.importance.metric = v1::IMPORTANCE_METRIC_CROSS_FITTED;
    options.importance.probe_batches = 2;
    auto session = NewSession();
    std::set<std::string> in_force;  // What the steps before a round's last train.
    for (const auto& [name, parameter] : parameters) in_force.insert(name);
    for (int round_index = 0; round_index < 2; ++round_index) {
      SCOPED_TRACE(round_index);
      ASSERT_TRUE(session->BeginRoundInStep().ok());
      std::vector<at::Tensor> updates;
      std::vector<double> expected;
      int64_t executed = 0, flops_in_force = 0, beyond_sum = 0;
      for (int step = 0; step < 2; ++step) {
        EXPECT_TRUE(session->is_measuring());
        const auto before = Weights();
        ASSERT_TRUE(session->BeginStep().ok());
        EXPECT_THAT(session->step_plan().dropped_blocks, IsEmpty());
        const at::Tensor value = Stack();
        const profiler::ExecutedFlopsCounter counter;
        ASSERT_TRUE(session->Backward(value).ok());
        executed = counter.backward_flops() - session->step_probe().sensitivity_flops;
        EXPECT_EQ(session->step_probe().sensitivity_flops > 0, step == 0 && method == v1::METHOD_JOINT);
        for (size_t i = 0; i < parameters.size(); ++i) {
          const at::Tensor& gradient = parameters[i].second.grad();
          ASSERT_TRUE(gradient.defined());
          if (step == 0) updates.push_back(optimizer->NextUpdate(parameters[i].second, gradient));
          if (step == 1) expected.push_back(-(gradient.to(at::kDouble) * updates[i]).sum().item<double>());
        }
        auto planned = session->PlanFromGradients();
        ASSERT_TRUE(planned.ok()) << planned.status();
        EXPECT_EQ(planned->has_value(), step == 1);
        EXPECT_FALSE(session->PlanFromGradients()->has_value()) << "once a step";
        const int64_t beyond = session->step_probe().backward_cost;
        beyond_sum += beyond;
        if (step == 0) flops_in_force = executed - beyond;
        if (step == 1) {
          EXPECT_EQ(executed - beyond, session->step_plan().predicted_backward_cost);
          EXPECT_EQ((*planned)->probe_backward_cost, beyond_sum) << "the price of all steps of the round";
        }
        ASSERT_TRUE(session->Step().ok());
        for (const auto& [name, parameter] : parameters) {
          const bool trains = step == 0
                                  ? in_force.contains(name)
                                  : std::count((*planned)->trainable.begin(), (*planned)->trainable.end(), name) == 1;
          EXPECT_EQ(at::equal(parameter, before.at(name)), !trains) << name << " in step " << step;
        }
      }
      EXPECT_EQ(flops_in_force, EvaluateMask(session->profile(), MaskOf(in_force)).backward_cost);
      if (round_index == 0) EXPECT_EQ(in_force.size(), parameters.size()) << "everything, before the first plan";
      if (round_index == 1 && method == v1::METHOD_SELECTION) EXPECT_LT(in_force.size(), parameters.size());
      EXPECT_FALSE(session->is_measuring());
      double sum = 0;
      for (double value : expected) sum += std::abs(value);
      for (size_t i = 0; i < parameters.size(); ++i) {
        EXPECT_NEAR(connection->last_report.importance(static_cast<int>(i)), expected[i], 1e-4 * sum) << i;
      }
      in_force.clear();
      for (const auto& [name, parameter] : parameters) {
        if (parameter.requires_grad()) in_force.insert(name);
      }
      for (int step = 0; step < 2; ++step) {
        RunStep(*session);
        EXPECT_EQ(session->step_probe().backward_cost, 0) << "it does not measure";
      }
      EXPECT_THAT(session->TakeNotices(), IsEmpty());
    }
    session.reset();
    for (auto& [name, parameter] : parameters) parameter.requires_grad_(true).mutable_grad().reset();
  }
}

TEST_F(InStepTest, ThePriceOfARoundCountsItsSensitivity) {
  UseMethod(v1::METHOD_JOINT, 0.5);
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRoundInStep().ok());
  const auto round = RunMeasuringStep(*session);
  ASSERT_TRUE(round.ok() && round->has_value()) << round.status();
  DriftSchedule expected;
  expected.AddRound(0,
                    static_cast<double>((*round)->probe_backward_cost + (*round)->sensitivity_flops) /
                        static_cast<double>(session->profile().forward_cost + (*round)->predicted_backward_cost),
                    std::nullopt);
  EXPECT_EQ(session->state().drift.next_round_step, expected.state().next_round_step);
}

TEST_F(InStepTest, UniformRatesNeedNoSensitivityAndSoTakeCheckpointedBlocks) {
  UseMethod(v1::METHOD_JOINT, 0.5);
  options.plan.set_allocation(v1::ALLOCATION_UNIFORM);
  checkpoints = true;
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRoundInStep().ok());
  const auto round = RunMeasuringStep(*session);
  ASSERT_TRUE(round.ok() && round->has_value()) << round.status();
  EXPECT_EQ((*round)->sensitivity_flops, 0);
  EXPECT_THAT(connection->last_report.sensitivity(), IsEmpty());
  RunStep(*session);
}

TEST_F(InStepTest, RefusesAStepWithoutBackwardAndMeasuresInTheNextOne) {
  UseMethod(v1::METHOD_SELECTION, 0.5);
  auto session = NewSession();
  for (int round_index = 0; round_index < 2; ++round_index) {
    ASSERT_TRUE(session->BeginRoundInStep().ok());
    ASSERT_TRUE(session->BeginStep().ok());
    const absl::Status refused = session->Step().status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr("no Backward() has run"));
    session->EndStep();
    EXPECT_TRUE(session->is_measuring());
    const auto round = RunMeasuringStep(*session);
    ASSERT_TRUE(round.ok() && round->has_value()) << round.status();
    EXPECT_GT((*round)->importance_sum, 0);
  }
}

// A loop passes over a batch once it has seen its loss.
TEST_F(InStepTest, MeasuresSensitivityOfTheForwardPassThatBackwardComesOf) {
  std::vector<v1::ImportanceReport> reports;
  for (bool passes_over_a_batch : {false, true}) {
    options.job = "";
    auto session = NewSession();
    ASSERT_TRUE(session->BeginRoundInStep().ok());
    if (passes_over_a_batch) {
      ASSERT_TRUE(session->BeginStep().ok());
      Stack();
    }
    ASSERT_TRUE(session->BeginStep().ok());
    at::manual_seed(9);
    ASSERT_TRUE(session->Backward(Stack()).ok());
    const auto round = session->PlanFromGradients();
    ASSERT_TRUE(round.ok() && round->has_value()) << round.status();
    reports.push_back(connection->last_report);
    session.reset();
    for (auto& [name, parameter] : parameters) parameter.requires_grad_(true).mutable_grad().reset();
  }
  EXPECT_THAT(reports[0].sensitivity(), ::testing::Contains(::testing::Gt(0)));
  EXPECT_THAT(reports[1].sensitivity(), ElementsAreArray(reports[0].sensitivity()));
}

TEST_F(InStepTest, ARoundOfItsOwnTakesThePlaceOfOneThatIsStillToBeMeasured) {
  auto session = NewSession();
  ASSERT_TRUE(session->BeginRoundInStep().ok());
  ASSERT_TRUE(session->BeginStep().ok());
  Stack();
  const auto round = session->BeginRound(loss);
  ASSERT_TRUE(round.ok()) << round.status();
  EXPECT_FALSE(session->is_measuring());
  RunStep(*session);
  EXPECT_EQ(session->next_round(), 1);
}

TEST_F(InStepTest, AStepThatCannotBeMeasuredIsMeasuredAnewWithTheNext) {
  UseMethod(v1::METHOD_SELECTION, 0.5);
  options.importance.metric = v1::IMPORTANCE_METRIC_CROSS_FITTED;
  options.importance.probe_batches = 2;
  auto session = NewSession();
  const auto step = [&](double scale) { return RunMeasuringStep(*session, scale).status(); };
  ASSERT_TRUE(session->BeginRoundInStep().ok());
  EXPECT_EQ(step(1), absl::OkStatus());
  EXPECT_EQ(step(std::numeric_limits<double>::infinity()).code(), absl::StatusCode::kFailedPrecondition);
  optimizer->ClearGradients();
  session->EndStep();
  EXPECT_EQ(step(1), absl::OkStatus());
  EXPECT_TRUE(session->is_measuring()) << "both steps anew";
  EXPECT_FALSE(session->IsRoundDue()) << "it has begun";
  EXPECT_EQ(step(1), absl::OkStatus());
  EXPECT_FALSE(session->is_measuring());
}

}  // namespace
}  // namespace greenplan::trainer
