#include "tests/real_models/real_models.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "planner/core/cost.h"
#include "planner/core/planner.h"

namespace greenplan {
namespace {

TEST(RealModels, EveryPlanIsTheProvedOptimumWithinItsBudget) {
  const absl::StatusOr<std::vector<RealModel>> models = LoadRealModels();
  ASSERT_TRUE(models.ok()) << models.status();
  int checked = 0;
  for (const RealModel& model : *models) {
    const Planner planner(std::make_shared<ModelProfile>(model.profile));
    for (const RealImportance& measured : model.importances) {
      const Measurements measurements{.importance = measured.importance};
      for (const KnownOptimum& known : measured.optima) {
        SCOPED_TRACE(testing::Message() << model.name << " " << measured.kind << " " << known.fraction_of_backward);
        PlanOptions options;
        options.budget.kind = Budget::Kind::kAbsolute;
        options.budget.absolute = model.profile.forward_cost + known.backward_budget;
        const absl::StatusOr<Plan> plan = planner.MakePlan({.measurements = &measurements, .options = &options});
        ASSERT_TRUE(plan.ok()) << plan.status();
        EXPECT_NE(plan->status, PlanStatus::kFeasible);
        EXPECT_NEAR(plan->value, known.value, 1e-9 * known.value);
        EXPECT_EQ(plan->upper_bound, plan->value);
        const int64_t cost = EvaluateMask(model.profile, plan->trainable).backward_cost;
        EXPECT_EQ(plan->predicted_backward_cost, cost);
        EXPECT_LE(cost, known.backward_budget);
        ++checked;
      }
    }
  }
  EXPECT_EQ(checked, 64);
}

// Where value is proportional to cost no ratio helps: these are proved by what the costs have in common.
TEST(RealModels, CostProportionalImportanceIsProvedToo) {
  const absl::StatusOr<std::vector<RealModel>> models = LoadRealModels();
  ASSERT_TRUE(models.ok()) << models.status();
  for (const RealModel& model : *models) {
    if (!model.is_chain) continue;
    const Planner planner(std::make_shared<ModelProfile>(model.profile));
    const Measurements measurements{.importance = model.importances.back().importance};
    for (double fraction : {0.15, 0.3, 0.45, 0.6, 0.75, 0.9}) {
      PlanOptions options;
      options.budget = {.kind = Budget::Kind::kFractionOfBackward, .fraction = fraction};
      const absl::StatusOr<Plan> plan = planner.MakePlan({.measurements = &measurements, .options = &options});
      ASSERT_TRUE(plan.ok()) << plan.status();
      EXPECT_NE(plan->status, PlanStatus::kFeasible) << model.name << " " << fraction;
    }
  }
}

}  // namespace
}  // namespace greenplan
