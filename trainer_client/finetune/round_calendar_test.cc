#include "trainer_client/finetune/round_calendar.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The steps of the first `steps` before which a round begins.
std::vector<int64_t> Rounds(const RoundCalendar& calendar, int64_t steps, bool is_due_by_drift = false) {
  std::vector<int64_t> rounds;
  for (int64_t step = 0; step < steps; ++step) {
    if (calendar.IsRoundDue(step, is_due_by_drift)) rounds.push_back(step);
  }
  return rounds;
}

int64_t WarmUpSteps(const RoundCalendar& calendar, int64_t steps) {
  int64_t count = 0;
  for (int64_t step = 0; step < steps; ++step) count += calendar.IsWarmUp(step);
  return count;
}

TEST(RoundCalendarTest, BeginsARoundWithEveryEpoch) {
  EXPECT_THAT(Rounds({.steps_per_epoch = 4}, 12), ElementsAre(0, 4, 8));
}

TEST(RoundCalendarTest, BeginsARoundEveryNStepsAcrossEpochs) {
  EXPECT_THAT(Rounds({.steps_per_epoch = 4, .plan_every = 3}, 12), ElementsAre(0, 3, 6, 9));
}

TEST(RoundCalendarTest, LeavesItToDriftAlone) {
  const RoundCalendar calendar{.steps_per_epoch = 2, .plan_every = 0, .plans_by_drift = true};
  EXPECT_THAT(Rounds(calendar, 4, /*is_due_by_drift=*/false), IsEmpty());
  EXPECT_THAT(Rounds(calendar, 4, /*is_due_by_drift=*/true), ElementsAre(0, 1, 2, 3));
}

TEST(RoundCalendarTest, BeginsARoundWhereUniformRatesEnd) {
  RoundCalendar calendar{.steps_per_epoch = 4};
  calendar.uniform_steps = 5;
  EXPECT_THAT(Rounds(calendar, 12), ElementsAre(0, 4, 5, 8));
  calendar.plans_by_drift = true;
  EXPECT_THAT(Rounds(calendar, 12), ElementsAre(5));
}

TEST(RoundCalendarTest, ARoundThatWouldCrossAnEpochBeginsWithTheNextOne) {
  RoundCalendar calendar{.steps_per_epoch = 4, .plan_every = 3, .plans_by_drift = false, .probe_steps = 2};
  EXPECT_THAT(Rounds(calendar, 12), ElementsAre(0, 4, 6, 9)) << "3 is the last step of its epoch";
  calendar.probe_steps = 3;
  EXPECT_THAT(Rounds(calendar, 12), ElementsAre(0, 4, 8, 9)) << "6 and 3 have fewer than 3 steps left";
}

TEST(RoundCalendarTest, CountsWarmUpInRoundsOrInEpochs) {
  RoundCalendar calendar{.steps_per_epoch = 4};
  EXPECT_EQ(WarmUpSteps(calendar, 12), 0);
  calendar.warmup_rounds = 2;
  EXPECT_EQ(WarmUpSteps(calendar, 12), 8);
  calendar.plan_every = 3;
  EXPECT_EQ(WarmUpSteps(calendar, 12), 6);
}

}  // namespace
}  // namespace greenplan::trainer
