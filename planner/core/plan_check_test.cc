#include "planner/core/plan_check.h"

#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace greenplan {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

ModelProfile Profile() {
  ModelProfile profile;
  profile.forward_cost = 100;
  profile.ops.resize(1);
  profile.tensors = {{.name = "a", .op = 0}, {.name = "b", .op = 0}, {.name = "no op"}};
  profile.blocks = {"block"};
  return profile;
}

PlanLimits Limits() {
  return {.pins = {Pin::kAlways, Pin::kFree, Pin::kNever},
          .budget = 150,
          .max_saved_bytes = 7,
          .min_rates = {0.25},
          .max_rates = {0.5}};
}

Plan Allowed() {
  Plan plan;
  plan.method = Method::kJoint;
  plan.status = PlanStatus::kFeasible;
  plan.trainable = {true, false, false};
  plan.drop_rates = {0.5};
  plan.predicted_cost = 150;
  plan.predicted_backward_cost = 50;
  plan.budget = 150;
  plan.value = -3;
  plan.upper_bound = -3;
  plan.saved_bytes = 7;
  return plan;
}

TEST(CheckPlan, LetsAPlanPassThatReachesEveryLimit) {
  const absl::Status status = CheckPlan(Profile(), Limits(), Allowed());
  EXPECT_TRUE(status.ok()) << status;
}

TEST(CheckPlan, NamesWhatIsBroken) {
  const std::vector<std::pair<std::function<void(Plan&)>, std::string>> cases = {
      {[](Plan& p) { p.trainable.pop_back(); }, "trainable has 2 entries for 3 tensors"},
      {[](Plan& p) { p.trainable[0] = false; }, "tensor 0 does not train though it must"},
      {[](Plan& p) { p.trainable[2] = true; }, "tensor 2 trains without an op"},
      {[](Plan& p) { p.drop_rates.clear(); }, "drop_rates has 0 entries, not 1"},
      {[](Plan& p) { p.drop_rates[0] = 0.1; }, "drop_rates[0] is 0.1, its bounds 0.25 and 0.5"},
      {[](Plan& p) { p.drop_rates[0] = kNan; }, "drop_rates[0] is nan, its bounds 0.25 and 0.5"},
      {[](Plan& p) { p.predicted_cost = 149; }, "predicted_cost is 149, predicted_backward_cost 50"},
      {[](Plan& p) { p.predicted_backward_cost = 51, p.predicted_cost = 151; },
       "predicted_cost is 151; the budget is 150"},
      {[](Plan& p) { p.budget = 160; }, "budget is 160; the request's is 150"},
      {[](Plan& p) { p.saved_bytes = 8; }, "saved_bytes is 8; max_saved_bytes is 7"},
      {[](Plan& p) { p.status = PlanStatus::kEmpty; }, "it is called empty, but trains something"},
      {[](Plan& p) { p.upper_bound = -4; }, "value is -3, upper_bound -4"},
      {[](Plan& p) { p.value = kNan; }, "value is nan, upper_bound -3"},
      {[](Plan& p) { p.upper_bound = std::numeric_limits<double>::infinity(); }, "value is -3, upper_bound inf"},
  };
  for (const auto& [damage, what] : cases) {
    Plan plan = Allowed();
    damage(plan);
    const absl::Status status = CheckPlan(Profile(), Limits(), plan);
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << what;
    EXPECT_EQ(status.message(), "the plan failed its last check: " + what);
  }
}

TEST(CheckPlan, ATensorThatMustNotTrainMayNot) {
  PlanLimits limits = Limits();
  limits.pins[1] = Pin::kNever;
  Plan plan = Allowed();
  plan.trainable[1] = true;
  EXPECT_EQ(CheckPlan(Profile(), limits, plan).code(), absl::StatusCode::kInternal);
}

TEST(CheckPlan, AnEmptyPlanMayCostTheForwardPassAlone) {
  PlanLimits limits = Limits();
  limits.pins[0] = Pin::kFree;
  limits.budget = 60;
  Plan plan = Allowed();
  plan.status = PlanStatus::kEmpty;
  plan.trainable = {false, false, false};
  plan.predicted_cost = 100;
  plan.predicted_backward_cost = 0;
  plan.budget = 60;
  EXPECT_TRUE(CheckPlan(Profile(), limits, plan).ok());
  plan.status = PlanStatus::kFeasible;
  EXPECT_EQ(CheckPlan(Profile(), limits, plan).code(), absl::StatusCode::kInternal);
}

TEST(CheckPlan, MethodFullHasNoBudget) {
  Plan plan = Allowed();
  plan.method = Method::kFull;
  plan.drop_rates.clear();
  plan.budget = 0;
  EXPECT_TRUE(CheckPlan(Profile(), {.pins = std::vector<Pin>(3, Pin::kFree)}, plan).ok());
}

}  // namespace
}  // namespace greenplan
