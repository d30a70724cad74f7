#include "planner/core/work_meter.h"

#include <utility>

#include "gtest/gtest.h"

namespace greenplan {
namespace {

const StopFunction kNever;

TEST(WorkMeter, IsExhaustedOnceItsWorkIsUsedUp) {
  WorkMeter meter(10, kNever);
  EXPECT_TRUE(meter.Spend(9));
  EXPECT_FALSE(meter.exhausted());
  EXPECT_FALSE(meter.Spend(1));
  EXPECT_TRUE(meter.exhausted());
  EXPECT_FALSE(meter.stopped());
}

TEST(WorkMeter, AsksToStopNowAndThen) {
  int asked = 0;
  const StopFunction at_third = [&] { return ++asked == 3; };
  WorkMeter meter(WorkMeter::kNoLimit, at_third);
  int64_t spent = 0;
  for (; meter.Spend(100); spent += 100) {
  }
  EXPECT_TRUE(meter.stopped());
  EXPECT_EQ(asked, 3);
  EXPECT_LT(spent, 20000);
}

TEST(WorkMeter, AsksToStopWithoutChargingForWorkThatPasses) {
  bool stops = false;
  const StopFunction when_told = [&] { return stops; };
  WorkMeter meter(10, when_told);
  EXPECT_TRUE(meter.Pass(10000));
  EXPECT_EQ(meter.left(), 10);
  stops = true;
  int64_t passed = 0;
  while (meter.Pass(100)) passed += 100;
  EXPECT_LT(passed, 10000);
  EXPECT_TRUE(meter.stopped());
  EXPECT_TRUE(meter.exhausted());
}

TEST(WorkMeter, WhatAShareSpendsTheWholeSpends) {
  WorkMeter meter(100, kNever);
  {
    WorkMeter share(30, meter);
    EXPECT_FALSE(share.Spend(35));
    EXPECT_EQ(meter.left(), 100);
  }
  EXPECT_EQ(meter.left(), 65);
  EXPECT_EQ(WorkMeter(1000, meter).left(), 65);
}

TEST(WorkMeter, AStopInAShareStopsTheWholeAndAllLaterShares) {
  const StopFunction at_once = [] { return true; };
  WorkMeter meter(WorkMeter::kNoLimit, at_once);
  {
    WorkMeter share(1 << 20, meter);
    share.Spend(10000);
    EXPECT_TRUE(share.stopped());
  }
  EXPECT_TRUE(meter.stopped());
  EXPECT_TRUE(meter.exhausted());
  EXPECT_TRUE(WorkMeter(1 << 20, meter).exhausted());
}

TEST(WorkMeter, SharesTooShortToAskAskTogether) {
  bool stops = false;
  const StopFunction when_told = [&] { return stops; };
  WorkMeter meter(WorkMeter::kNoLimit, when_told);
  stops = true;
  for (int i = 0; i < 100; ++i) WorkMeter(1000, meter).Spend(100);
  EXPECT_TRUE(meter.stopped());
}

TEST(HeldBytes, AreTakenFromTheShareAndTheWholeAndGivenBack) {
  WorkMeter meter(WorkMeter::kNoLimit, kNever, 100);
  HeldBytes held(meter);
  EXPECT_TRUE(held.Grow(30));
  {
    WorkMeter share(WorkMeter::kNoLimit, meter, 50);
    HeldBytes in_share(share);
    EXPECT_FALSE(in_share.Grow(51));
    EXPECT_TRUE(in_share.Grow(50));
    EXPECT_FALSE(held.Grow(21));
    EXPECT_TRUE(held.Grow(20));
    HeldBytes moved = std::move(in_share);
    EXPECT_FALSE(meter.TakeBytes(1));
    moved.GiveBack();
    EXPECT_TRUE(in_share.Grow(50));
  }
  EXPECT_TRUE(held.Grow(50));
  EXPECT_FALSE(held.Grow(1));
}

}  // namespace
}  // namespace greenplan
