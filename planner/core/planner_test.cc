#include "planner/core/planner.h"

#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/invalid_argument.h"
#include "planner/core/testing/random_profiles.h"
#include "planner/core/testing/small_stack.h"

namespace greenplan {
namespace {

// A chain, output first: reaching tensor k costs dy[k] more than reaching the one before, its weight gradient dw[k].
std::shared_ptr<ModelProfile> Chain(const std::vector<int64_t>& dy, const std::vector<int64_t>& dw) {
  auto profile = std::make_shared<ModelProfile>();
  profile->ops.push_back({.name = "loss"});
  for (size_t k = 0; k < dy.size(); ++k) {
    profile->ops.back().inputs.push_back({static_cast<int>(k) + 1, 0});
    profile->ops.push_back({.name = "op", .cost = dy[k]});
    profile->tensors.push_back({.name = "t", .op = static_cast<int>(k) + 1, .weight_grad_cost = dw[k]});
  }
  return profile;
}

PlanOptions Selection(double fraction) {
  PlanOptions options;
  options.budget.kind = Budget::Kind::kFractionOfBackward;
  options.budget.fraction = fraction;
  return options;
}

TEST(Planner, FindsWhatThePublishedDynamicProgramMisses) {
  const Planner planner(Chain({0, 2, 1, 0}, {4, 2, 2, 3}));
  const Measurements measurements{.importance = {4, 1, 4, 1}};
  const PlanOptions options = Selection(0.5);
  const absl::StatusOr<Plan> plan = planner.MakePlan({.measurements = &measurements, .options = &options});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->trainable, (std::vector<bool>{false, true, true, false}));
  EXPECT_EQ(plan->value, 5);
  EXPECT_EQ(plan->predicted_backward_cost, 7);
  EXPECT_GE(plan->upper_bound, 5);
}

// The worked example of docs/algorithms.md: head, down, up, norm.
TEST(Planner, SolvesTheWorkedExampleOfTheDocumentation) {
  const Planner planner(Chain({0, 6, 4, 4}, {6, 4, 4, 0}));
  const Measurements measurements{.importance = {3, 4, 5, 1}};
  const PlanOptions options = Selection(0.5);
  const absl::StatusOr<Plan> plan = planner.MakePlan({.measurements = &measurements, .options = &options});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->full_cost, 28);
  EXPECT_EQ(plan->trainable, (std::vector<bool>{false, false, true, false}));
  EXPECT_EQ(plan->predicted_cost, 14);
  EXPECT_EQ(plan->value, 5);
  EXPECT_EQ(plan->status, PlanStatus::kOptimal);
}

PlanOptions BestValuePerCost() {
  PlanOptions options;
  options.budget.kind = Budget::Kind::kBestValuePerCost;
  return options;
}

// Forward 10. Value per cost: {0} 3 / 16, {1} 4 / 20, {2} 5 / 24, {1, 2} 9 / 28, {0, 1, 2} 12 / 34, and norm adds 4 of
// cost for 1 of value, which is less than that.
TEST(Planner, FindsTheBestValuePerCost) {
  auto profile = Chain({0, 6, 4, 4}, {6, 4, 4, 0});
  profile->forward_cost = 10;
  const Planner planner(profile);
  const Measurements measurements{.importance = {3, 4, 5, 1}};
  const PlanOptions options = BestValuePerCost();
  const absl::StatusOr<Plan> plan = planner.MakePlan({.measurements = &measurements, .options = &options});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->trainable, (std::vector<bool>{true, true, true, false}));
  EXPECT_EQ(plan->predicted_cost, 34);
  EXPECT_EQ(plan->budget, 34);
  EXPECT_EQ(plan->value, 12);
  EXPECT_EQ(plan->upper_bound, 12);
  EXPECT_EQ(plan->status, PlanStatus::kOptimal);
  EXPECT_EQ(plan->message, "");
}

TEST(Planner, TheBestValuePerCostHeedsPins) {
  auto profile = Chain({0, 6, 4, 4}, {6, 4, 4, 0});
  profile->forward_cost = 10;
  const Planner planner(profile);
  Measurements measurements{.importance = {3, 4, 5, 1}};
  PlanOptions options = BestValuePerCost();
  options.always = {3};  // What norm keeps live is paid anyway.
  options.never = {0};
  absl::StatusOr<Plan> plan = planner.MakePlan({.measurements = &measurements, .options = &options});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->trainable, (std::vector<bool>{false, true, true, true}));
  EXPECT_EQ(plan->budget, 10 + 14 + 8);

  // With pins that harm more than all others are worth there is no value to speak of.
  measurements.importance = {3, 4, 5, -20};
  plan = planner.MakePlan({.measurements = &measurements, .options = &options});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->trainable, (std::vector<bool>{false, false, false, true}));
  EXPECT_EQ(plan->value, -20);
  EXPECT_EQ(plan->upper_bound, 0);
  EXPECT_EQ(plan->status, PlanStatus::kFeasible);
  EXPECT_EQ(plan->message, "the tensors of always train alone: no selection that holds them has a value above 0");
}

TEST(Planner, NoPositiveValueHasNoBestValuePerCost) {
  auto profile = Chain({5, 2}, {4, 2});
  profile->forward_cost = 10;
  const Planner planner(profile);
  const Measurements measurements{.importance = {-1, 0}};
  const PlanOptions options = BestValuePerCost();
  const absl::StatusOr<Plan> plan = planner.MakePlan({.measurements = &measurements, .options = &options});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->status, PlanStatus::kEmpty);
  EXPECT_EQ(plan->budget, 10);
  EXPECT_EQ(plan->message, "no tensor is worth training: none that may train has an importance above 0");
}

TEST(Planner, RefusesTheBestValuePerCostWithWhatItCannotHeed) {
  const Planner planner(Chain({5, 2}, {4, 2}));
  const Measurements measurements{.importance = {1, 1}};
  PlanOptions options = BestValuePerCost();
  options.budget.max_saved_bytes = 7;
  absl::Status status = planner.MakePlan({.measurements = &measurements, .options = &options}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(FieldOf(status), "budget.max_saved_bytes");
  options = BestValuePerCost();
  options.algorithm = Algorithm::kDownscaled;
  status = planner.MakePlan({.measurements = &measurements, .options = &options}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(FieldOf(status), "algorithm");
}

TEST(Planner, TheChurnThresholdComparesValuePerCostWhereThatIsTheAim) {
  auto profile = Chain({0, 6, 4, 4}, {6, 4, 4, 0});
  profile->forward_cost = 10;
  const Planner planner(profile);
  const Measurements measurements{.importance = {3, 4, 5, 1}};
  PlanOptions options = BestValuePerCost();
  // {1, 2}: 9 / 28, a value of 0.32 per cost against 0.35 of the best. That 12 is a third more than 9 does not count.
  Plan previous{.trainable = {false, true, true, false}};
  PlanRequest request{.measurements = &measurements, .options = &options, .previous = &previous};
  options.churn_threshold = 0.09;
  EXPECT_EQ(planner.MakePlan(request)->predicted_cost, 34);
  options.churn_threshold = 0.11;
  const absl::StatusOr<Plan> kept = planner.MakePlan(request);
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->trainable, previous.trainable);
  EXPECT_EQ(kept->budget, 28);
  EXPECT_EQ(kept->status, PlanStatus::kFeasible);
  EXPECT_NEAR(kept->upper_bound / 28, 12.0 / 34, 1e-12);
}

TEST(Planner, APlanThatCostsNothingReplacesOneThatCostsSomething) {
  const Planner planner(Chain({0, 5}, {0, 4}));
  const Measurements measurements{.importance = {3, 1000}};
  PlanOptions options = BestValuePerCost();
  options.churn_threshold = 1e300;
  const Plan previous{.trainable = {false, true}};
  const absl::StatusOr<Plan> plan =
      planner.MakePlan({.measurements = &measurements, .options = &options, .previous = &previous});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->trainable, (std::vector<bool>{true, false}));
  EXPECT_EQ(plan->status, PlanStatus::kOptimal);
}

TEST(Planner, APlanInForceIsKeptWhereTheBoundPerCostLeavesADoublesRange) {
  const Planner planner(Chain({1, 1000}, {0, 0}));
  const Measurements measurements{.importance = {1.7e307, 1e306}};
  PlanOptions options = BestValuePerCost();
  options.churn_threshold = 1e300;
  const Plan previous{.trainable = {false, true}};
  const absl::StatusOr<Plan> kept =
      planner.MakePlan({.measurements = &measurements, .options = &options, .previous = &previous});
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->trainable, previous.trainable);
  EXPECT_EQ(kept->status, PlanStatus::kFeasible);
  EXPECT_EQ(kept->upper_bound, std::numeric_limits<double>::max());
}

TEST(Planner, ACurveMayHoldTheBestValuePerCost) {
  auto profile = Chain({0, 6, 4, 4}, {6, 4, 4, 0});
  profile->forward_cost = 10;
  const Planner planner(profile);
  const Measurements measurements{.importance = {3, 4, 5, 1}};
  const PlanOptions options = Selection(0.5);
  const Budget best = {.kind = Budget::Kind::kBestValuePerCost};
  const auto curve =
      planner.MakeCurve({.measurements = &measurements, .options = &options}, {best, options.budget, best});
  ASSERT_TRUE(curve.ok()) << curve.status();
  EXPECT_EQ((*curve)[0].predicted_cost, 34);
  EXPECT_EQ((*curve)[0].budget, 34);
  EXPECT_EQ((*curve)[1].budget, 24);
  EXPECT_EQ((*curve)[2].trainable, (*curve)[0].trainable);
}

TEST(Planner, EmptyPlanSaysWhatTheCheapestTensorNeeds) {
  auto profile = Chain({5, 2}, {4, 2});
  profile->forward_cost = 100;
  const Planner planner(profile);
  const Measurements measurements{.importance = {1, 1}};
  PlanOptions options;
  options.budget.kind = Budget::Kind::kAbsolute;
  options.budget.absolute = 108;
  const absl::StatusOr<Plan> plan = planner.MakePlan({.measurements = &measurements, .options = &options});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->status, PlanStatus::kEmpty);
  EXPECT_EQ(plan->message, "no tensor fits: the cheapest needs 109, the budget is 108");
  EXPECT_EQ(plan->upper_bound, 0);
}

TEST(Planner, PinsThatAloneExceedTheBudgetAreInvalid) {
  const Planner planner(Chain({5, 2}, {4, 2}));
  const Measurements measurements{.importance = {1, 1}};
  PlanOptions options = Selection(0.5);
  options.always = {1};
  const absl::StatusOr<Plan> plan = planner.MakePlan({.measurements = &measurements, .options = &options});
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(plan.status().message(), "always: the pinned tensors alone cost 9 with the forward pass; the budget is 6");
}

TEST(Planner, FullTrainsEverythingButWhatIsNeverTrained) {
  const Planner planner(Chain({5, 2}, {4, 2}));
  PlanOptions options;
  options.method = Method::kFull;
  options.never = {0};
  const absl::StatusOr<Plan> plan = planner.MakePlan({.options = &options});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->trainable, (std::vector<bool>{false, true}));
  EXPECT_EQ(plan->predicted_cost, 9);
  EXPECT_EQ(plan->full_cost, 13);
}

// Two blocks of cost 10 and 30 with one tensor each, and 5 outside of them.
std::shared_ptr<ModelProfile> TwoBlocks() {
  auto profile = std::make_shared<ModelProfile>();
  profile->forward_cost = 100;
  profile->blocks = {"a", "b"};
  profile->ops.resize(3);
  profile->ops[0].cost = 5;
  profile->ops[0].inputs = {{1, 0}, {2, 0}};
  profile->ops[1].cost = 4;
  profile->ops[1].block = 0;
  profile->ops[2].cost = 10;
  profile->ops[2].block = 1;
  profile->tensors.resize(2);
  profile->tensors[0].op = 1;
  profile->tensors[0].weight_grad_cost = 6;
  profile->tensors[1].op = 2;
  profile->tensors[1].weight_grad_cost = 20;
  return profile;
}

TEST(Planner, DropRatesKeepTheBudgetAndSayWhatTheyCost) {
  const Planner planner(TwoBlocks());
  const Measurements measurements{.importance = {1, 1}, .unmeasured = {}, .sensitivity = {1, 3}};
  PlanOptions options;
  options.method = Method::kDrop;
  options.budget.kind = Budget::Kind::kAbsolute;
  options.budget.absolute = 125;
  const absl::StatusOr<Plan> plan = planner.MakePlan({.measurements = &measurements, .options = &options});
  ASSERT_TRUE(plan.ok()) << plan.status();
  // p proportional to cost / sensitivity = 10, 10, and 40 p = 20.
  ASSERT_EQ(plan->drop_rates.size(), 2);
  EXPECT_NEAR(plan->drop_rates[0], 0.5, 1e-15);
  EXPECT_NEAR(plan->drop_rates[1], 0.5, 1e-15);
  EXPECT_EQ(plan->predicted_cost, 125);
  EXPECT_EQ(plan->full_cost, 145);
  EXPECT_EQ(plan->status, PlanStatus::kOptimal);
  EXPECT_NEAR(plan->value, -1, 1e-14);
}

TEST(Planner, MeanDropRateIsAShareOfTheBlocksCost) {
  const Planner planner(TwoBlocks());
  const Measurements measurements{.importance = {1, 1}};
  PlanOptions options;
  options.method = Method::kDrop;
  options.allocation = Allocation::kUniform;
  options.budget.kind = Budget::Kind::kMeanDropRate;
  options.budget.fraction = 0.75;
  const absl::StatusOr<Plan> plan = planner.MakePlan({.measurements = &measurements, .options = &options});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->drop_rates, (std::vector<double>{0.75, 0.75}));
  EXPECT_EQ(plan->budget, 115);
  EXPECT_EQ(plan->predicted_cost, 115);
}

TEST(Planner, DropTargetOutOfReachIsInvalid) {
  const Planner planner(TwoBlocks());
  const Measurements measurements{.importance = {1, 1}};
  PlanOptions options;
  options.method = Method::kDrop;
  options.budget.kind = Budget::Kind::kAbsolute;
  options.budget.absolute = 104;
  const absl::StatusOr<Plan> plan = planner.MakePlan({.measurements = &measurements, .options = &options});
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(plan.status().message(),
            "budget: the drop rates would have to skip 41 of the blocks' cost; at max_drop_rate they skip 40; the "
            "budget is 104");
}

TEST(Planner, KeepsThePreviousPlanWithinTheChurnThreshold) {
  const Planner planner(Chain({0, 0}, {5, 5}));
  const Measurements measurements{.importance = {10, 11}};
  PlanOptions options = Selection(0.5);
  Plan previous;
  previous.trainable = {true, false};
  for (const auto& [threshold, keeps] : {std::pair{0.0, false}, {0.05, false}, {0.1, true}}) {
    options.churn_threshold = threshold;
    const absl::StatusOr<Plan> plan =
        planner.MakePlan({.measurements = &measurements, .options = &options, .previous = &previous});
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(plan->trainable == previous.trainable, keeps) << threshold;
    EXPECT_EQ(plan->upper_bound, 11);
    EXPECT_EQ(plan->status, keeps ? PlanStatus::kFeasible : PlanStatus::kOptimal);
  }
}

TEST(Planner, ChurnThresholdsHoldForDropRatesToo) {
  const Planner planner(TwoBlocks());
  for (const Method method : {Method::kDrop, Method::kJoint}) {
    PlanOptions options;
    options.method = method;
    options.budget = {.kind = Budget::Kind::kAbsolute, .absolute = 135};
    options.mu = 1;
    const Measurements before{.importance = {5, 10}, .unmeasured = {}, .sensitivity = {3, 9}};
    const Measurements after{.importance = {5, 10}, .unmeasured = {}, .sensitivity = {3, 10}};
    const absl::StatusOr<Plan> previous = planner.MakePlan({.measurements = &before, .options = &options});
    ASSERT_TRUE(previous.ok()) << previous.status();
    for (const double threshold : {0.0, 0.5}) {
      options.churn_threshold = threshold;
      const absl::StatusOr<Plan> plan =
          planner.MakePlan({.measurements = &after, .options = &options, .previous = &*previous});
      ASSERT_TRUE(plan.ok()) << plan.status();
      EXPECT_EQ(plan->drop_rates == previous->drop_rates, threshold > 0);
      EXPECT_LE(plan->value, plan->upper_bound);
      EXPECT_LE(plan->predicted_cost, 135);
      if (threshold == 0) continue;
      EXPECT_EQ(plan->status, PlanStatus::kFeasible);
      EXPECT_EQ(plan->message.substr(0, 22), "kept the previous plan") << plan->message;
    }
  }
}

TEST(Planner, APlanInForceThatIsNoLongerAllowedIsNotKept) {
  const Planner planner(TwoBlocks());
  const Measurements measurements{.importance = {5, 10}, .unmeasured = {}, .sensitivity = {3, 9}};
  for (const Method method : {Method::kDrop, Method::kJoint}) {
    PlanOptions options;
    options.method = method;
    options.budget = {.kind = Budget::Kind::kAbsolute, .absolute = 135};
    options.mu = 1;
    options.churn_threshold = 1e300;
    const absl::StatusOr<Plan> allowed = planner.MakePlan({.measurements = &measurements, .options = &options});
    ASSERT_TRUE(allowed.ok()) << allowed.status();
    const auto is_kept = [&](const Plan& previous) {
      const auto plan = planner.MakePlan({.measurements = &measurements, .options = &options, .previous = &previous});
      EXPECT_TRUE(plan.ok()) << plan.status();
      return plan.ok() && plan->drop_rates == previous.drop_rates && plan->trainable == previous.trainable;
    };
    Plan previous = *allowed;
    previous.drop_rates = {1, 1};
    EXPECT_TRUE(is_kept(previous));
    previous.drop_rates = {0, 0};  // Above the budget.
    EXPECT_FALSE(is_kept(previous));
    previous.drop_rates = {1};
    EXPECT_FALSE(is_kept(previous));
    previous.drop_rates = {};
    EXPECT_FALSE(is_kept(previous));
    previous.drop_rates = {1, 1};
    options.max_drop_rate = 0.9;
    EXPECT_FALSE(is_kept(previous));
    options.max_drop_rate = 1;
    previous.trainable = {true, false};
    EXPECT_EQ(is_kept(previous), method == Method::kJoint);
    options.never = {0};
    EXPECT_FALSE(is_kept(previous));
  }
}

TEST(Planner, UniformRatesAreNotReplacedByOthers) {
  const Planner planner(TwoBlocks());
  const Measurements measurements{.importance = {1, 1}, .unmeasured = {}, .sensitivity = {1, 3}};
  for (const Method method : {Method::kDrop, Method::kJoint}) {
    PlanOptions options;
    options.method = method;
    options.allocation = Allocation::kUniform;
    options.budget = {.kind = Budget::Kind::kAbsolute, .absolute = 125};
    options.churn_threshold = 1e300;
    Plan previous;
    previous.trainable = {true, true};
    for (const auto& [rates, is_kept] :
         {std::pair<std::vector<double>, bool>{{0.75, 0.75}, true}, {{0.75, 0.5}, false}}) {
      previous.drop_rates = rates;
      const auto plan = planner.MakePlan({.measurements = &measurements, .options = &options, .previous = &previous});
      ASSERT_TRUE(plan.ok()) << plan.status();
      EXPECT_EQ(plan->drop_rates == rates, is_kept);
    }
  }
}

// 20 are left for the blocks, whose costs are 10 and 30. Rates of their own let block a train in every step and block b
// in a third of them. With one rate both train in half of them; either block alone is worth 2.
TEST(Planner, JointPlansHeedTheAllocation) {
  const Planner planner(TwoBlocks());
  const Measurements measurements{.importance = {2, 3}, .unmeasured = {}, .sensitivity = {1, 3}};
  PlanOptions options;
  options.method = Method::kJoint;
  options.budget = {.kind = Budget::Kind::kAbsolute, .absolute = 125};
  const absl::StatusOr<Plan> by_sensitivity = planner.MakePlan({.measurements = &measurements, .options = &options});
  ASSERT_TRUE(by_sensitivity.ok()) << by_sensitivity.status();
  EXPECT_EQ(by_sensitivity->drop_rates[0], 0);
  EXPECT_NEAR(by_sensitivity->drop_rates[1], 2.0 / 3, 1e-15);
  EXPECT_NEAR(by_sensitivity->value, 3, 1e-14);

  options.allocation = Allocation::kUniform;
  const absl::StatusOr<Plan> uniform = planner.MakePlan({.measurements = &measurements, .options = &options});
  ASSERT_TRUE(uniform.ok()) << uniform.status();
  EXPECT_EQ(uniform->trainable, (std::vector<bool>{true, true}));
  EXPECT_EQ(uniform->drop_rates, (std::vector<double>{0.5, 0.5}));
  EXPECT_EQ(uniform->value, 2.5);
  EXPECT_EQ(uniform->status, PlanStatus::kOptimal) << uniform->upper_bound;
  EXPECT_EQ(uniform->predicted_cost, 125);

  options.drop_rate_bounds = {{.block = 1, .min_drop_rate = 0.5, .max_drop_rate = 0.5}};
  options.budget.absolute = 145;
  const absl::StatusOr<Plan> bounded = planner.MakePlan({.measurements = &measurements, .options = &options});
  ASSERT_TRUE(bounded.ok()) << bounded.status();
  EXPECT_EQ(bounded->drop_rates, (std::vector<double>{0, 0.5}));
  EXPECT_EQ(bounded->value, 3.5);
  EXPECT_EQ(bounded->status, PlanStatus::kOptimal);
}

TEST(Planner, DropRatesAreFoundForSensitivitiesOfAnySize) {
  const Planner planner(TwoBlocks());
  PlanOptions options;
  options.method = Method::kDrop;
  options.budget = {.kind = Budget::Kind::kAbsolute, .absolute = 125};
  for (const double scale : {1e-320, 1e-300, 1.0, 4e307}) {
    const Measurements measurements{.importance = {1, 1}, .unmeasured = {}, .sensitivity = {scale, 3 * scale}};
    const absl::StatusOr<Plan> plan = planner.MakePlan({.measurements = &measurements, .options = &options});
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(plan->status, PlanStatus::kOptimal) << scale;
    ASSERT_EQ(plan->drop_rates.size(), 2);
    // Subnormal numbers have few digits.
    EXPECT_NEAR(plan->drop_rates[0], 0.5, scale < 1e-310 ? 1e-3 : 1e-15) << scale;
    EXPECT_NEAR(plan->drop_rates[1], 0.5, scale < 1e-310 ? 1e-3 : 1e-15) << scale;
  }
}

// With the harm of one block 10^600 times that of the other, rounding hides the other's.
TEST(Planner, DropRatesAreCalledOptimalOnlyWhereTheirBoundProvesIt) {
  const Planner planner(TwoBlocks());
  PlanOptions options;
  options.method = Method::kDrop;
  options.budget = {.kind = Budget::Kind::kAbsolute, .absolute = 125};
  const Measurements measurements{.importance = {1, 1}, .unmeasured = {}, .sensitivity = {1e308, 1e-300}};
  const absl::StatusOr<Plan> plan = planner.MakePlan({.measurements = &measurements, .options = &options});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_LE(plan->value, plan->upper_bound);
  EXPECT_EQ(plan->status == PlanStatus::kOptimal, plan->value == plan->upper_bound);
  EXPECT_LE(plan->predicted_cost, 125);
  EXPECT_GE(plan->value, -1e-299);
}

// Validation once let such ops exceed the limit of the sum, and what they cost wrapped the sums of a stopped search.
TEST(Planner, OpsThatReachNoTensorNeverCount) {
  auto profile = Chain({0, 10, 10, 10}, {10, 10, 10, 10});
  const int dead = static_cast<int>(profile->ops.size());
  profile->ops.push_back({.name = "dead", .cost = int64_t{1} << 60});
  for (int i = 0; i < 2; ++i) profile->ops[0].inputs.push_back({dead, int64_t{1} << 60});
  const Planner planner(profile);
  const Measurements measurements{.importance = {1, 1, 1, 1}};
  const PlanRequest request{.measurements = &measurements, .should_stop = [] { return true; }};
  for (const Method method : {Method::kSelection, Method::kJoint}) {
    for (const bool has_byte_limit : {false, true}) {
      PlanOptions options = Selection(0.5);
      options.method = method;
      if (has_byte_limit) options.budget.max_saved_bytes = 0;
      PlanRequest with_options = request;
      with_options.options = &options;
      for (const bool is_stopped : {false, true}) {
        if (!is_stopped) with_options.should_stop = {};
        const absl::StatusOr<Plan> plan = planner.MakePlan(with_options);
        ASSERT_TRUE(plan.ok()) << plan.status();
        EXPECT_LE(plan->predicted_cost, 35);
      }
    }
  }
}

TEST(Planner, CurveHoldsThePlanOfEachBudget) {
  const Planner planner(Chain({0, 2, 1, 0}, {4, 2, 2, 3}));
  const Measurements measurements{.importance = {4, 1, 4, 1}};
  const PlanOptions options = Selection(1);
  std::vector<Budget> budgets;
  for (int i = 1; i <= 14; ++i) {
    budgets.push_back({.kind = Budget::Kind::kAbsolute, .fraction = 0, .absolute = i});
  }
  const auto curve = planner.MakeCurve({.measurements = &measurements, .options = &options}, budgets);
  ASSERT_TRUE(curve.ok()) << curve.status();
  ASSERT_EQ(curve->size(), budgets.size());
  for (size_t i = 0; i < budgets.size(); ++i) {
    PlanOptions single = options;
    single.budget = budgets[i];
    const auto plan = planner.MakePlan({.measurements = &measurements, .options = &single});
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ((*curve)[i].trainable, plan->trainable) << i;
    EXPECT_EQ((*curve)[i].value, plan->value) << i;
    EXPECT_EQ((*curve)[i].message, plan->message) << i;
  }
}

TEST(Planner, PlansADeepChainByEveryMethodOnASmallStack) {
  constexpr int kOps = 100000;
  std::vector<int64_t> dy(kOps, 10), dw(kOps, 10);
  auto profile = Chain(dy, dw);
  profile->blocks = {"block"};
  for (int op = 1; op <= kOps; op += 2) profile->ops[op].block = 0;
  const Planner planner(profile);
  Measurements measurements;
  for (int k = 0; k < kOps; ++k) measurements.importance.push_back(1 + k % 7);
  RunOnSmallStack([&] {
    for (const Method method : {Method::kSelection, Method::kDrop, Method::kJoint}) {
      for (const bool has_byte_limit : {false, true}) {
        PlanOptions options = Selection(0.6);
        options.method = method;
        if (has_byte_limit) options.budget.max_saved_bytes = 100;
        int asked = 0;
        const PlanRequest request{
            .measurements = &measurements, .options = &options, .should_stop = [&] { return ++asked > 200; }};
        const absl::StatusOr<Plan> plan = planner.MakePlan(request);
        EXPECT_TRUE(plan.ok()) << plan.status();
      }
    }
  });
}

TEST(Planner, AStopLeavesAPlanForEveryPointOfACurve) {
  TestRandom random(5);
  for (const bool has_byte_limit : {false, true}) {
    for (const Method method : {Method::kSelection, Method::kDrop, Method::kJoint}) {
      auto profile = std::make_shared<ModelProfile>(
          RandomProfile({.shape = GraphShape::kDecoder, .size = 4, .with_blocks = true}, random));
      const Planner planner(profile);
      const MaskCost full = EvaluateMask(*profile, FullMask(*profile));
      const std::vector<double> importance = RandomImportance(*profile, ImportanceKind::kHeavyTailed, random);
      const Measurements measurements{
          .importance = importance, .unmeasured = {}, .sensitivity = std::vector<double>(profile->blocks.size(), 1)};
      PlanOptions options;
      options.method = method;
      std::vector<Budget> budgets;
      for (int i = 0; i < 40; ++i) {
        // From below what the forward pass costs; method drop cannot go as low.
        const int64_t least = method == Method::kDrop ? full.backward_cost : -2;
        budgets.push_back({.kind = Budget::Kind::kAbsolute,
                           .absolute = profile->forward_cost + least + (full.backward_cost - least) * i / 40 + 1});
        if (has_byte_limit) budgets.back().max_saved_bytes = method == Method::kDrop ? full.saved_bytes : i * 2;
      }
      for (const int questions : {0, 3}) {
        int asked = 0;
        const PlanRequest request{
            .measurements = &measurements, .options = &options, .should_stop = [&] { return asked++ >= questions; }};
        const auto curve = planner.MakeCurve(request, budgets);
        ASSERT_TRUE(curve.ok()) << curve.status();
        for (size_t i = 0; i < budgets.size(); ++i) {
          const Plan& plan = (*curve)[i];
          EXPECT_EQ(plan.budget, budgets[i].absolute);
          if (plan.status == PlanStatus::kEmpty) continue;
          EXPECT_LE(plan.predicted_cost, plan.budget);
          EXPECT_LE(plan.saved_bytes, budgets[i].max_saved_bytes.value_or(plan.saved_bytes));
          EXPECT_LE(plan.value, plan.upper_bound);
        }
      }
    }
  }
}

TEST(Planner, ACurveTooLargeToHoldIsRefused) {
  const Planner planner(Chain({1}, {1}));
  const Measurements measurements{.importance = {1}};
  const PlanOptions options = Selection(1);
  const std::vector<Budget> budgets(1 << 20, options.budget);
  const absl::Status status = planner.MakeCurve({.measurements = &measurements, .options = &options}, budgets).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message().substr(0, 28), "budgets has 1048576 entries;") << status.message();
}

TEST(Planner, ACurveThatLooksAtALargeProfileTooOftenIsRefused) {
  std::vector<int64_t> ones(20000, 1);
  const std::shared_ptr<ModelProfile> profile = Chain(ones, ones);
  profile->tensors.resize(1);
  const Planner planner(profile);
  const Measurements measurements{.importance = {1}};
  const PlanOptions options = Selection(1);
  const std::vector<Budget> budgets(200000, options.budget);
  const absl::Status status = planner.MakeCurve({.measurements = &measurements, .options = &options}, budgets).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(FieldOf(status), "budgets");
  EXPECT_EQ(status.message(), "budgets has 200000 entries; allowed: at most 107368 for 40002 ops, edges and tensors");
}

// All points together may take the work of 64 plans. Where the others need none, one still has its own part alone.
TEST(Planner, APointOfALongCurveMayTakeItsPartOfTheWorkAlone) {
  TestRandom random(3);
  const auto profile = std::make_shared<const ModelProfile>(
      RandomProfile({.shape = GraphShape::kChain, .size = 60, .max_cost = 1 << 30}, random));
  const Measurements measurements{.importance = RandomImportance(*profile, ImportanceKind::kHeavyTailed, random)};
  PlanOptions options = Selection(0.5);
  options.budget.max_saved_bytes = EvaluateMask(*profile, FullMask(*profile)).saved_bytes / 3;
  const Planner planner(profile);
  const PlanRequest request{.measurements = &measurements, .options = &options};
  const absl::StatusOr<Plan> plan = planner.MakePlan(request);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->status, PlanStatus::kOptimal);

  const Budget too_low{.kind = Budget::Kind::kAbsolute, .absolute = 1};
  for (const int num_others : {1, 63, 64000}) {
    std::vector<Budget> budgets(num_others, too_low);
    budgets.push_back(options.budget);
    const absl::StatusOr<std::vector<Plan>> curve = planner.MakeCurve(request, budgets);
    ASSERT_TRUE(curve.ok()) << curve.status();
    EXPECT_EQ(curve->front().status, PlanStatus::kEmpty);
    const Plan& point = curve->back();
    EXPECT_EQ(point.status, num_others < 64 ? PlanStatus::kOptimal : PlanStatus::kFeasible) << num_others;
    EXPECT_LE(point.value, plan->value) << num_others;
    EXPECT_GE(point.upper_bound, plan->value) << num_others;
  }
}

TEST(Planner, TellsTheMemoryThatItKeepsBetweenPlans) {
  const Planner planner(Chain(std::vector<int64_t>(1000, 1), std::vector<int64_t>(1000, 1)));
  EXPECT_EQ(planner.MemoryBytes(), 0);
  Measurements measurements;
  measurements.importance.assign(1000, 1);
  const PlanOptions options = Selection(0.5);
  ASSERT_TRUE(planner.MakePlan({.measurements = &measurements, .options = &options}).ok());
  const size_t bytes = planner.MemoryBytes();
  EXPECT_GT(bytes, 1000 * sizeof(double));
  ASSERT_TRUE(planner.MakePlan({.measurements = &measurements, .options = &options}).ok());
  EXPECT_EQ(planner.MemoryBytes(), bytes);
}

}  // namespace
}  // namespace greenplan
