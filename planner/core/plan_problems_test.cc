#include "planner/core/plan_problems.h"

#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

// Forward 100; full backward 45: 5 outside of two blocks of cost 10 and 30 with one tensor each.
ModelProfile TwoBlocks() {
  ModelProfile profile;
  profile.forward_cost = 100;
  profile.blocks = {"a", "b"};
  profile.ops = {
      {.cost = 5, .inputs = {{1, 0}, {2, 0}}}, {.cost = 4, .block = 0, .saved_bytes = 7}, {.cost = 10, .block = 1}};
  profile.tensors = {{.op = 1, .weight_grad_cost = 6}, {.op = 2, .weight_grad_cost = 20}, {}};
  return profile;
}

const Measurements kMeasurements = {.importance = {1, 2, 3}, .unmeasured = {0}, .sensitivity = {4, 5}};

TEST(PlanProblems, BudgetsAreFlooredAndHoldTheForwardPass) {
  const ModelProfile profile = TwoBlocks();
  const PlanProblems problems(profile);
  EXPECT_EQ(problems.full_cost(), 145);
  EXPECT_EQ(problems.BudgetInCost({.kind = Budget::Kind::kFractionOfFull, .fraction = 0.9}), 130);
  EXPECT_EQ(problems.BudgetInCost({.kind = Budget::Kind::kFractionOfBackward, .fraction = 0.5}), 122);
  EXPECT_EQ(problems.BudgetInCost({.kind = Budget::Kind::kAbsolute, .absolute = 77}), 77);
}

TEST(PlanProblems, PinsComeFromOptionsMeasurementsAndUnreachedTensors) {
  const ModelProfile profile = TwoBlocks();
  PlanOptions options;
  options.always = {1};
  const Budget budget{.kind = Budget::Kind::kFractionOfFull, .fraction = 1};
  const auto problem = PlanProblems(profile).Selection({.measurements = &kMeasurements, .options = &options}, budget);
  ASSERT_TRUE(problem.ok()) << problem.status();
  EXPECT_EQ(problem->pins, (std::vector<Pin>{Pin::kNever, Pin::kAlways, Pin::kNever}));
  EXPECT_EQ(problem->backward_budget, 45);
}

TEST(PlanProblems, PinsThatAloneExceedALimitAreInvalid) {
  const ModelProfile profile = TwoBlocks();
  PlanOptions options;
  options.always = {0};
  const PlanRequest request{.measurements = &kMeasurements, .options = &options};
  Budget budget{.kind = Budget::Kind::kAbsolute, .absolute = 114};
  EXPECT_EQ(PlanProblems(profile).Selection(request, budget).status().message(),
            "always: the pinned tensors alone cost 115 with the forward pass; the budget is 114");
  budget.absolute = 115;
  EXPECT_TRUE(PlanProblems(profile).Selection(request, budget).ok());
  budget.max_saved_bytes = 6;
  EXPECT_EQ(PlanProblems(profile).Selection(request, budget).status().message(),
            "always: the pinned tensors alone keep 7 bytes for backward; max_saved_bytes is 6");
}

TEST(PlanProblems, WhatIsNotBuiltIsUnimplementedByName) {
  const ModelProfile profile = TwoBlocks();
  PlanOptions options;
  options.algorithm = Algorithm::kDownscaled;
  const PlanRequest request{.measurements = &kMeasurements, .options = &options};
  const Budget budget{.kind = Budget::Kind::kAbsolute, .absolute = 120, .max_saved_bytes = 5};
  const absl::Status selection = PlanProblems(profile).Selection(request, budget).status();
  EXPECT_EQ(selection.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(selection.message(), "algorithm is downscaled with budget.max_saved_bytes; allowed: exact");
  EXPECT_EQ(FieldOf(selection), "algorithm");
  const absl::Status joint = PlanProblems(profile).Joint(request, budget).status();
  EXPECT_EQ(joint.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(joint.message(), "algorithm is downscaled with method joint; allowed: exact");
}

TEST(PlanProblems, ATableOfTooManyStepsIsRefused) {
  ModelProfile profile = TwoBlocks();
  profile.tensors.resize(3000);
  Measurements measurements;
  measurements.importance.resize(3000);
  PlanOptions options;
  options.algorithm = Algorithm::kDownscaled;
  options.resolution = 1000000;
  const PlanRequest request{.measurements = &measurements, .options = &options};
  const Budget budget{.kind = Budget::Kind::kAbsolute, .absolute = 120};
  const absl::Status status = PlanProblems(profile).Selection(request, budget).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "resolution is 1000000 with 3000 tensors; allowed: a product of at most 2147483648");
  options.resolution = 700000;
  EXPECT_TRUE(PlanProblems(profile).Selection(request, budget).ok());
}

TEST(PlanProblems, BudgetsOfMeanDropRatesAreThoseOfTheirPlans) {
  const ModelProfile profile = TwoBlocks();
  PlanOptions options;
  options.method = Method::kDrop;
  const PlanRequest request{.measurements = &kMeasurements, .options = &options};
  EXPECT_EQ(PlanProblems(profile).BudgetsInCost(request, {{.kind = Budget::Kind::kMeanDropRate, .fraction = 0.51},
                                                          {.kind = Budget::Kind::kAbsolute, .absolute = 77}}),
            (std::vector<int64_t>{145 - 21, 77}));
}

TEST(PlanProblems, LimitsAreThoseOfTheRequest) {
  const ModelProfile profile = TwoBlocks();
  const Budget budget{.kind = Budget::Kind::kAbsolute, .absolute = 120, .max_saved_bytes = 5};
  PlanOptions options;
  options.always = {1};
  options.max_drop_rate = 0.5;
  const PlanRequest request{.measurements = &kMeasurements, .options = &options};
  const PlanProblems problems(profile);
  const PlanLimits selection = problems.Limits(request, budget);
  EXPECT_EQ(selection.pins, (std::vector<Pin>{Pin::kNever, Pin::kAlways, Pin::kNever}));
  EXPECT_EQ(selection.budget, 120);
  EXPECT_EQ(selection.max_saved_bytes, 5);
  EXPECT_TRUE(selection.min_rates.empty());
  options.method = Method::kDrop;
  options.never = {1};
  const PlanLimits drop = problems.Limits(request, budget);
  EXPECT_EQ(drop.pins, (std::vector<Pin>{Pin::kAlways, Pin::kNever, Pin::kNever}));
  EXPECT_EQ(drop.max_rates, (std::vector<double>{0.5, 0.5}));
  EXPECT_EQ(problems.Limits(request, {.kind = Budget::Kind::kMeanDropRate, .fraction = 0.5}).budget, std::nullopt);
  options.method = Method::kFull;
  EXPECT_EQ(problems.Limits(request, {}).budget, std::nullopt);
}

TEST(PlanProblems, RatesTakeTheirBoundsPerBlockAndTheObjectivesSensitivity) {
  const ModelProfile profile = TwoBlocks();
  PlanOptions options;
  options.min_drop_rate = 0.1;
  options.max_drop_rate = 0.8;
  options.drop_rate_bounds = {{.block = 1, .min_drop_rate = 0.3, .max_drop_rate = 0.3}};
  options.drop_objective = DropObjective::kLinear;
  const PlanRequest request{.measurements = &kMeasurements, .options = &options};
  const std::vector<bool> both = {true, true, false};
  const PlanProblems problems(profile);
  const DropRateProblem absolute =
      problems.DropRates(request, {.kind = Budget::Kind::kAbsolute, .absolute = 120}, both);
  EXPECT_EQ(absolute.block_costs, (std::vector<int64_t>{10, 30}));
  EXPECT_EQ(absolute.min_rates, (std::vector<double>{0.1, 0.3}));
  EXPECT_EQ(absolute.max_rates, (std::vector<double>{0.8, 0.3}));
  EXPECT_EQ(absolute.linear, (std::vector<double>{4, 5}));
  EXPECT_EQ(absolute.quadratic, (std::vector<double>{0, 0}));
  EXPECT_EQ(absolute.required_skip, 25);
  const Budget mean{.kind = Budget::Kind::kMeanDropRate, .fraction = 0.51};
  EXPECT_EQ(problems.DropRates(request, mean, both).required_skip, 21);  // 20.4 rounded up.
}

}  // namespace
}  // namespace greenplan
