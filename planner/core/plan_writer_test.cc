#include "planner/core/plan_writer.h"

#include <vector>

#include "gtest/gtest.h"

namespace greenplan {
namespace {

// Forward 100, and a chain of two ops of cost 10 with a tensor of cost 5 each.
ModelProfile Chain() {
  ModelProfile profile;
  profile.forward_cost = 100;
  profile.ops = {{.cost = 10, .inputs = {{1, 0}}, .block = 0}, {.cost = 10, .saved_bytes = 7}};
  profile.tensors = {{.op = 0, .weight_grad_cost = 5}, {.op = 1, .weight_grad_cost = 5}};
  profile.blocks = {"block"};
  return profile;
}

SelectionProblem Problem(const std::vector<double>& importance, int64_t backward_budget) {
  SelectionProblem problem;
  problem.importance = &importance;
  problem.pins.assign(importance.size(), Pin::kFree);
  problem.backward_budget = backward_budget;
  return problem;
}

TEST(PlanWriter, DescribesAMaskByWhatItCosts) {
  const ModelProfile profile = Chain();
  const PlanWriter writer(profile, 130);
  Plan plan = writer.Describe({false, true}, {.seed = 9}, 140);
  EXPECT_EQ(plan.predicted_cost, 125);
  EXPECT_EQ(plan.predicted_backward_cost, 25);
  EXPECT_EQ(plan.saved_bytes, 7);
  EXPECT_EQ(plan.budget, 140);
  EXPECT_EQ(plan.full_cost, 130);
  EXPECT_EQ(plan.seed, 9);
  writer.SetRates({0.25}, plan);
  EXPECT_EQ(plan.predicted_cost, 123);  // 25 - 2.5, rounded up.
}

TEST(PlanWriter, ASelectionIsOptimalOnlyIfProved) {
  const ModelProfile profile = Chain();
  const std::vector<double> importance = {1, 2};
  const SelectionProblem problem = Problem(importance, 30);
  WorkMeter unlimited;
  PlanWriter::EmptyPlanCache cache;
  for (const bool proved : {false, true}) {
    const Plan plan =
        PlanWriter(profile, 130)
            .Selection({}, problem, {.trainable = {true, false}, .upper_bound = 3, .proved = proved}, unlimited, cache);
    EXPECT_EQ(plan.value, 1);
    EXPECT_EQ(plan.upper_bound, proved ? 1 : 3);
    EXPECT_EQ(plan.status, proved ? PlanStatus::kOptimal : PlanStatus::kFeasible);
    EXPECT_EQ(plan.message, proved ? "" : "stopped before the proof");
  }
}

TEST(PlanWriter, MemoryChangesNoPlan) {
  const ModelProfile profile = Chain();
  const std::vector<double> importance = {1, 2};
  const PlanWriter writer(profile, 130);
  WorkMeter unlimited;
  PlanWriter::EmptyPlanCache cache;
  for (const int64_t budget : {30, 20, 5, 15, 3, 30}) {
    std::vector<bool> trainable = {budget >= 15, budget >= 30};
    const SelectionProblem problem = Problem(importance, budget);
    PlanWriter::EmptyPlanCache fresh;
    const SelectionResult result{.trainable = trainable, .upper_bound = 0, .proved = true};
    const Plan plan = writer.Selection({}, problem, result, unlimited, cache);
    const Plan expected = writer.Selection({}, problem, result, unlimited, fresh);
    EXPECT_EQ(plan.trainable, trainable);
    EXPECT_EQ(plan.message, expected.message);
    EXPECT_EQ(plan.status, expected.status);
    EXPECT_EQ(plan.budget, 100 + budget);
    EXPECT_EQ(plan.predicted_cost, expected.predicted_cost);
    EXPECT_EQ(plan.value, expected.value);
    EXPECT_EQ(plan.upper_bound, expected.upper_bound);
  }
}

TEST(PlanWriter, SaysWhyNothingIsSelected) {
  const ModelProfile profile = Chain();
  const PlanWriter writer(profile, 130);
  const std::vector<double> worthless = {0, -1}, importance = {1, 2};
  WorkMeter unlimited;
  const auto message = [&](const SelectionProblem& problem, WorkMeter& meter) {
    PlanWriter::EmptyPlanCache cache;
    const Plan plan = writer.Nothing({}, problem, meter, cache);
    EXPECT_EQ(plan.status, PlanStatus::kEmpty);
    EXPECT_EQ(plan.predicted_cost, 100);
    return plan.message;
  };
  EXPECT_EQ(message(Problem(worthless, 30), unlimited),
            "no tensor is worth training: none that may train has an importance above 0");
  EXPECT_EQ(message(Problem(importance, 14), unlimited), "no tensor fits: the cheapest needs 115, the budget is 114");
  SelectionProblem with_byte_limit = Problem(importance, 30);
  with_byte_limit.pins[0] = Pin::kNever;
  with_byte_limit.max_saved_bytes = 6;
  EXPECT_EQ(message(with_byte_limit, unlimited),
            "no tensor fits: of those within the budget the least keeps 7 bytes for backward, max_saved_bytes is 6");
  const StopFunction never;
  WorkMeter out_of_work(0, never);
  EXPECT_EQ(message(Problem(importance, 14), out_of_work),
            "no tensor fits; finding what the cheapest needs took too long");
}

TEST(PlanWriter, ASmallGapIsRounding) {
  Plan plan;
  PlanWriter::SetValue(100, 100 + 1e-10, 1e-11, plan);
  EXPECT_EQ(plan.status, PlanStatus::kOptimal);
  EXPECT_EQ(plan.upper_bound, 100);
  PlanWriter::SetValue(-100, -100 + 1e-6, 1e-11, plan);
  EXPECT_EQ(plan.status, PlanStatus::kFeasible);
  EXPECT_EQ(plan.upper_bound, -100 + 1e-6);
}

}  // namespace
}  // namespace greenplan
