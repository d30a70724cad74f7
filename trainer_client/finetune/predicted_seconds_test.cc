#include "trainer_client/finetune/predicted_seconds.h"

#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

// loss -> upper -> lower, in nanoseconds.
ModelProfile TwoLayers() {
  ModelProfile profile;
  profile.cost_unit = CostUnit::kNanoseconds;
  profile.ops = {{.cost = 1, .inputs = {{.op = 1}}}, {.inputs = {{.op = 2, .cost = 20}}}, {}};
  profile.tensors = {{.name = "lower", .op = 2, .weight_grad_cost = 300},
                     {.name = "upper", .op = 1, .weight_grad_cost = 4000}};
  return profile;
}

TEST(PredictedSecondsTest, AreThoseOfWhatBackwardRuns) {
  EXPECT_DOUBLE_EQ(PredictedBackwardSeconds(TwoLayers(), {"upper"}), 4001e-9);
  EXPECT_DOUBLE_EQ(PredictedBackwardSeconds(TwoLayers(), {"lower"}), 321e-9);
  EXPECT_DOUBLE_EQ(PredictedBackwardSeconds(TwoLayers(), {"lower", "upper"}), 4321e-9);
}

TEST(PredictedSecondsTest, AreNoneWhereNothingTrains) { EXPECT_EQ(PredictedBackwardSeconds(TwoLayers(), {}), 0); }

}  // namespace
}  // namespace greenplan::trainer
