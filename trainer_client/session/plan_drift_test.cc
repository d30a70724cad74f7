#include "trainer_client/session/plan_drift.h"

#include <gtest/gtest.h>

#include <vector>

namespace greenplan::trainer {
namespace {

// A tensor on each of three ops; the ops of the last two are block 0 and block 1.
ModelProfile ThreeTensors() {
  ModelProfile profile;
  profile.ops.resize(3);
  profile.tensors.resize(3);
  for (int k = 0; k < 3; ++k) profile.tensors[k].op = k;
  profile.blocks = {"first", "second"};
  profile.ops[1].block = 0;
  profile.ops[2].block = 1;
  return profile;
}

Plan PlanOf(std::vector<bool> trainable, std::vector<double> drop_rates = {}) {
  Plan plan;
  plan.trainable = std::move(trainable);
  plan.drop_rates = std::move(drop_rates);
  return plan;
}

v1::ImportanceReport Report(const std::vector<double>& importance, const std::vector<double>& standard_error = {}) {
  v1::ImportanceReport report;
  report.mutable_importance()->Assign(importance.begin(), importance.end());
  report.mutable_standard_error()->Assign(standard_error.begin(), standard_error.end());
  return report;
}

TEST(PlanDriftTest, IsTheShareOfImportanceThatTheOldPlanMisses) {
  EXPECT_EQ(PlanDrift(ThreeTensors(), Report({1, 2, 1}), PlanOf({true, false, true}), PlanOf({false, true, true})),
            (2.0 - 1.0) / 3.0);
}

TEST(PlanDriftTest, OfTheSamePlanIsZero) {
  EXPECT_EQ(PlanDrift(ThreeTensors(), Report({1, 2, 1}), PlanOf({true, true, false}), PlanOf({true, true, false})), 0);
}

TEST(PlanDriftTest, CountsATensorOfADroppedBlockByHowOftenItTrains) {
  EXPECT_EQ(PlanDrift(ThreeTensors(), Report({0, 4, 4}), PlanOf({true, true, true}, {0.75, 0.25}),
                      PlanOf({true, true, true}, {0.25, 0.75})),
            0);
  EXPECT_EQ(PlanDrift(ThreeTensors(), Report({0, 4, 0}), PlanOf({true, true, true}, {0.75, 0}),
                      PlanOf({true, true, true}, {0.5, 0})),
            0.5);
}

TEST(PlanDriftTest, TakesOffOneStandardErrorOfWhatDiffers) {
  EXPECT_EQ(PlanDrift(ThreeTensors(), Report({9, 4, 0}, {100, 1, 0}), PlanOf({true, false, false}),
                      PlanOf({true, true, false})),
            3.0 / 13.0);
  EXPECT_EQ(PlanDrift(ThreeTensors(), Report({9, 4, 0}, {100, 5, 0}), PlanOf({true, false, false}),
                      PlanOf({true, true, false})),
            0);
}

TEST(PlanDriftTest, IsNotKnownWithoutPositiveImportance) {
  EXPECT_EQ(PlanDrift(ThreeTensors(), Report({1, -2, 0}), PlanOf({true, false, false}), PlanOf({false, true, false})),
            std::nullopt);
}

}  // namespace
}  // namespace greenplan::trainer
