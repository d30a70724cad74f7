#include "trainer_client/session/drift_schedule.h"

#include <cmath>
#include <optional>

#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

int64_t Interval(const DriftSchedule& schedule) {
  return schedule.state().next_round_step - schedule.state().last_round_step;
}

TEST(DriftScheduleTest, IsDueAtFirstAndThenOnceProbesCostATenthOfTheSteps) {
  DriftSchedule schedule;
  EXPECT_TRUE(schedule.IsRoundDue(0));
  schedule.AddRound(0, /*price=*/1.5, std::nullopt);
  EXPECT_FALSE(schedule.IsRoundDue(14));
  EXPECT_TRUE(schedule.IsRoundDue(15));
}

TEST(DriftScheduleTest, PlansAgainWhenWhatIsMissedHasAddedUpToThePrice) {
  for (double drift : {0.2, 0.05, 0.03}) {
    DriftSchedule schedule;
    schedule.AddRound(0, 2, std::nullopt);
    schedule.AddRound(100, 2, drift);
    const double k = static_cast<double>(Interval(schedule));
    const auto missed = [&](double steps) { return drift / 100 * steps * steps / 2; };
    EXPECT_GE(missed(k), 2);
    EXPECT_LT(missed(k - 1), 2);
    // No other interval costs less per step, price and miss together.
    const auto per_step = [&](double steps) { return (2 + missed(steps)) / steps; };
    for (double other = 1; other < 1000; ++other) EXPECT_GE(per_step(other), per_step(k) * (1 - 1e-3)) << other;
  }
}

TEST(DriftScheduleTest, NeverPlansSoOftenThatProbesCostMoreThanATenth) {
  DriftSchedule schedule;
  schedule.AddRound(0, 3, std::nullopt);
  schedule.AddRound(30, 3, 1.0);
  EXPECT_EQ(Interval(schedule), 30);
  schedule.AddRound(60, 0, 1.0);
  EXPECT_EQ(Interval(schedule), 1) << "a probe that costs nothing";
  schedule.AddRound(65, 3, 0.5);
  EXPECT_EQ(Interval(schedule), 30) << "though the last round was 5 steps ago, as where uniform rates end";
}

TEST(DriftScheduleTest, DoublesTheIntervalWithoutDriftAndTakesItBackWithIt) {
  DriftSchedule schedule;
  schedule.AddRound(0, 1, std::nullopt);
  int64_t step = 10;
  for (int64_t expected : {20, 40, 80}) {
    ASSERT_TRUE(schedule.IsRoundDue(step));
    schedule.AddRound(step, 1, 0.0);
    EXPECT_EQ(Interval(schedule), expected);
    step += expected;
  }
  schedule.AddRound(step, 1, 0.9);  // After 80 steps.
  EXPECT_EQ(Interval(schedule), static_cast<int64_t>(std::ceil(std::sqrt(2 * 80 / 0.9))));
}

TEST(DriftScheduleTest, ARoundWithoutANewPlanIsTriedAgainSoon) {
  DriftSchedule schedule;
  schedule.AddRound(0, 1, std::nullopt);
  schedule.AddRound(500, 1, std::nullopt);
  EXPECT_EQ(Interval(schedule), 10);
}

TEST(DriftScheduleTest, GoesOnFromItsState) {
  DriftSchedule schedule, resumed;
  schedule.AddRound(0, 1, std::nullopt);
  schedule.AddRound(10, 1, 0.1);
  resumed.set_state(schedule.state());
  schedule.AddRound(30, 1, 0.1);
  resumed.AddRound(30, 1, 0.1);
  EXPECT_EQ(resumed.state().next_round_step, schedule.state().next_round_step);
}

}  // namespace
}  // namespace greenplan::trainer
