#include "trainer_client/optimizer/learning_rate.h"

#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

TEST(CosineScheduleTest, StartsAtThePeakWithoutWarmup) {
  const CosineSchedule schedule{.peak = 2, .total_steps = 4};
  EXPECT_DOUBLE_EQ(schedule.LearningRate(0), 2);
  EXPECT_DOUBLE_EQ(schedule.LearningRate(2), 1);
}

TEST(CosineScheduleTest, RisesLinearlyToThePeakAndThenFalls) {
  const CosineSchedule schedule{.peak = 1, .warmup_steps = 4, .total_steps = 8};
  EXPECT_DOUBLE_EQ(schedule.LearningRate(0), 0.25);
  EXPECT_DOUBLE_EQ(schedule.LearningRate(3), 1);
  EXPECT_DOUBLE_EQ(schedule.LearningRate(4), 1);
  EXPECT_DOUBLE_EQ(schedule.LearningRate(6), 0.5);
}

TEST(CosineScheduleTest, IsPositiveAtEveryStepAndZeroAfterThem) {
  for (int64_t warmup : {0, 1, 5, 100}) {
    const CosineSchedule schedule{.peak = 1e-4, .warmup_steps = warmup, .total_steps = 100};
    for (int64_t step = 0; step < 100; ++step) EXPECT_GT(schedule.LearningRate(step), 0) << warmup << " " << step;
    EXPECT_EQ(schedule.LearningRate(100), 0) << warmup;
  }
}

}  // namespace
}  // namespace greenplan::trainer
