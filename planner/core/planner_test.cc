#include "planner/core/planner.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "planner/core/cost.h"

namespace greenplan {
namespace {

// The chain of FINDINGS-like arrays, output first: dy is what reaching a tensor adds, dw its weight gradient.
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

}  // namespace
}  // namespace greenplan
