#include "planner/admission/token_bucket.h"

#include <limits>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

const absl::Time kStart = absl::UnixEpoch();

int TakeAll(TokenBucket& bucket, absl::Time now) {
  int taken = 0;
  while (bucket.Take(now) == absl::ZeroDuration()) ++taken;
  return taken;
}

TEST(TokenBucketTest, IsFullAtFirstAndSavesNoMoreThanItsCapacity) {
  TokenBucket bucket({.tokens_per_second = 4, .capacity = 8}, kStart);
  EXPECT_EQ(TakeAll(bucket, kStart), 8);
  EXPECT_EQ(TakeAll(bucket, kStart + absl::Seconds(1)), 4);
  EXPECT_EQ(TakeAll(bucket, kStart + absl::Hours(1)), 8);
}

TEST(TokenBucketTest, GrantsNoMoreThanItsRateOverAnyTimeBeyondTheCapacity) {
  TokenBucket bucket({.tokens_per_second = 10, .capacity = 10}, kStart);
  int taken = 0;
  for (int milliseconds = 0; milliseconds <= 5000; ++milliseconds) {
    if (bucket.Take(kStart + absl::Milliseconds(milliseconds)) == absl::ZeroDuration()) ++taken;
  }
  EXPECT_GE(taken, 59);
  EXPECT_LE(taken, 60);  // The capacity and 5 s of its rate.
}

TEST(TokenBucketTest, TellsThoseItRefusesToComeOneAfterTheOther) {
  TokenBucket bucket({.tokens_per_second = 4, .capacity = 1}, kStart);
  EXPECT_EQ(bucket.Take(kStart), absl::ZeroDuration());
  for (int i = 1; i <= 8; ++i) EXPECT_EQ(bucket.Take(kStart), absl::Milliseconds(250 * i));
  // Each finds a token at its moment.
  for (int i = 1; i <= 8; ++i) {
    EXPECT_EQ(bucket.Take(kStart + absl::Milliseconds(250 * i)), absl::ZeroDuration()) << i;
  }
  // Nobody is kept waiting because others once were refused and did not return.
  EXPECT_EQ(bucket.Take(kStart + absl::Seconds(2)), absl::Milliseconds(250));
}

TEST(TokenBucketTest, TellsNobodyToWaitForLongerThanTenSeconds) {
  TokenBucket bucket({.tokens_per_second = 1, .capacity = 1}, kStart);
  for (int i = 0; i < 100; ++i) EXPECT_LE(bucket.Take(kStart), absl::Seconds(10));
  EXPECT_EQ(bucket.Take(kStart), absl::Seconds(10));
  EXPECT_EQ(bucket.Take(kStart + absl::Seconds(1)), absl::ZeroDuration());
}

TEST(TokenBucketTest, WhatIsChargedLaterMayExceedWhatIsLeft) {
  TokenBucket bucket({.tokens_per_second = 0.5, .capacity = 30}, kStart);
  EXPECT_EQ(bucket.TimeUntilPositive(kStart), absl::ZeroDuration());
  bucket.Charge(40, kStart);
  EXPECT_EQ(bucket.TimeUntilPositive(kStart), absl::Seconds(20));
  EXPECT_EQ(bucket.TimeUntilPositive(kStart + absl::Seconds(15)), absl::Seconds(5));
  EXPECT_EQ(bucket.TimeUntilPositive(kStart + absl::Seconds(21)), absl::ZeroDuration());
}

TEST(TokenBucketTest, AClockThatIsSetBackGrantsNothing) {
  TokenBucket bucket({.tokens_per_second = 1, .capacity = 1}, kStart);
  EXPECT_EQ(TakeAll(bucket, kStart), 1);
  EXPECT_EQ(TakeAll(bucket, kStart - absl::Hours(1)), 0);
  EXPECT_EQ(TakeAll(bucket, kStart + absl::Seconds(1)), 1);
}

TEST(TokenBucketTest, ItsLimitCanChange) {
  TokenBucket bucket({.tokens_per_second = 10, .capacity = 10}, kStart);
  bucket.SetLimit({.tokens_per_second = 2, .capacity = 2}, kStart);
  EXPECT_EQ(TakeAll(bucket, kStart), 2);
  bucket.SetLimit({.tokens_per_second = 100, .capacity = 100}, kStart);
  EXPECT_EQ(TakeAll(bucket, kStart), 0);
  EXPECT_EQ(TakeAll(bucket, kStart + absl::Seconds(1)), 100);
}

TEST(TokenBucketTest, AnInfiniteRateIsNoLimit) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  TokenBucket bucket({.tokens_per_second = kInfinity, .capacity = kInfinity}, kStart);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(bucket.Take(kStart), absl::ZeroDuration());
  bucket.Charge(1e9, kStart);
  EXPECT_EQ(bucket.TimeUntilPositive(kStart), absl::ZeroDuration());
  bucket.SetLimit({.tokens_per_second = 3, .capacity = 3}, kStart);
  EXPECT_EQ(TakeAll(bucket, kStart), 3);
}

}  // namespace
}  // namespace greenplan
