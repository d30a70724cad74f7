#include "planner/service/round_timer.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::ElementsAre;

constexpr absl::Time kStart = absl::UnixEpoch();

class RoundTimerTest : public ::testing::Test {
 protected:
  RoundTimer::Options Options() {
    return {.now = [this] { return kStart + absl::Milliseconds(elapsed_ms_.load()); },
            .on_due =
                [this](const RoundId& id) {
                  absl::MutexLock lock(&mutex_);
                  due_.push_back(id);
                },
            .on_tick = [this] { ++num_ticks_; },
            .tick = absl::Milliseconds(2)};
  }
  std::vector<RoundId> due() {
    absl::MutexLock lock(&mutex_);
    return due_;
  }
  // Until the timer has looked at the time that is set now.
  void WaitForTicks() const {
    for (const int before = num_ticks_; num_ticks_ < before + 2;) std::this_thread::yield();
  }

  std::atomic<int64_t> elapsed_ms_ = 0;  // Since kStart.
  std::atomic<int> num_ticks_ = 0;
  absl::Mutex mutex_;
  std::vector<RoundId> due_;
};

TEST_F(RoundTimerTest, RoundsAreDueAtTheirDeadlinesAndOnce) {
  RoundTimer timer(Options());
  timer.Set({1, 0}, kStart + absl::Hours(2));
  timer.Set({2, 0}, kStart + absl::Hours(1));
  timer.Set({2, 0}, kStart + absl::Hours(1));
  WaitForTicks();
  EXPECT_TRUE(due().empty());
  elapsed_ms_ = absl::ToInt64Milliseconds(absl::Hours(1));
  WaitForTicks();
  EXPECT_THAT(due(), ElementsAre(RoundId{2, 0}));
  elapsed_ms_ = absl::ToInt64Milliseconds(absl::Hours(2));
  WaitForTicks();
  EXPECT_THAT(due(), ElementsAre(RoundId{2, 0}, RoundId{1, 0}));
}

TEST_F(RoundTimerTest, ALaterDeadlineTakesThePlaceOfTheFirst) {
  RoundTimer timer(Options());
  timer.Set({1, 0}, kStart + absl::Hours(1));
  timer.Set({1, 0}, kStart + absl::Hours(2));
  elapsed_ms_ = absl::ToInt64Milliseconds(absl::Hours(1));
  WaitForTicks();
  EXPECT_TRUE(due().empty());
  elapsed_ms_ = absl::ToInt64Milliseconds(absl::Hours(2));
  WaitForTicks();
  EXPECT_THAT(due(), ElementsAre(RoundId{1, 0}));
}

TEST_F(RoundTimerTest, WhatIsForgottenIsNeverDue) {
  RoundTimer timer(Options());
  timer.Set({1, 0}, kStart + absl::Hours(1));
  timer.Set({1, 1}, kStart + absl::Hours(1));
  timer.Forget({1, 0});
  timer.Forget({9, 9});
  elapsed_ms_ = absl::ToInt64Milliseconds(absl::Hours(1));
  WaitForTicks();
  EXPECT_THAT(due(), ElementsAre(RoundId{1, 1}));
}

TEST_F(RoundTimerTest, NothingIsCalledOnceItIsStopped) {
  RoundTimer timer(Options());
  timer.Set({1, 0}, kStart + absl::Hours(1));
  timer.Stop();
  const int num_ticks = num_ticks_;
  elapsed_ms_ = absl::ToInt64Milliseconds(absl::Hours(2));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_TRUE(due().empty());
  EXPECT_EQ(num_ticks_, num_ticks);
}

}  // namespace
}  // namespace greenplan
