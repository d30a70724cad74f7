#include "planner/admission/memory_budget.h"

#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace greenplan {
namespace {

TEST(MemoryBudgetTest, GivesWhatIsThereAndTakesItBack) {
  MemoryBudget budget(100);
  {
    const MemoryBudget::Share most = budget.Take(60);
    EXPECT_NE(most, nullptr);
    EXPECT_EQ(budget.Take(41), nullptr);
    const MemoryBudget::Share rest = budget.Take(40);
    EXPECT_NE(rest, nullptr);
    EXPECT_EQ(budget.free_bytes(), 0);
    EXPECT_EQ(budget.Take(1), nullptr);
    EXPECT_NE(budget.Take(0), nullptr);
  }
  EXPECT_EQ(budget.free_bytes(), 100);
  EXPECT_EQ(budget.Take(101), nullptr);
}

TEST(MemoryBudgetTest, AShareIsGivenBackOnce) {
  MemoryBudget budget(100);
  MemoryBudget::Share share = budget.Take(60);
  MemoryBudget::Share moved = std::move(share);
  share = nullptr;
  EXPECT_EQ(budget.free_bytes(), 40);
  moved = budget.Take(10);
  EXPECT_EQ(budget.free_bytes(), 90);
}

TEST(MemoryBudgetTest, ManyThreadsNeverTakeMoreThanThereIs) {
  MemoryBudget budget(10);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 1000; ++k) {
        const MemoryBudget::Share share = k % 2 == 0 ? budget.Take(1 + k % 5) : budget.Wait(6).value();
        std::this_thread::yield();
        EXPECT_GE(budget.free_bytes(), 0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(budget.free_bytes(), 10);
}

TEST(MemoryBudgetTest, WaitsUntilThereIsEnough) {
  MemoryBudget budget(100);
  absl::StatusOr<MemoryBudget::Share> first = budget.Wait(70);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(budget.Wait(30).ok());
  std::thread other([&] {
    EXPECT_TRUE(budget.Wait(31).ok());
    EXPECT_TRUE(budget.Wait(1'000'000).ok()) << "all that there is, if it is asked for more";
  });
  *first = nullptr;
  other.join();
  EXPECT_EQ(budget.free_bytes(), 100);
}

TEST(MemoryBudgetTest, ADaemonThatDrainsEndsTheWaits) {
  MemoryBudget budget(100);
  const MemoryBudget::Share share = budget.Take(70);
  std::thread other([&] { EXPECT_EQ(budget.Wait(31).status().code(), absl::StatusCode::kUnavailable); });
  budget.Close();
  other.join();
  EXPECT_EQ(budget.Wait(31).status().code(), absl::StatusCode::kUnavailable) << "whoever comes later, too";
  EXPECT_TRUE(budget.Wait(30).ok()) << "nobody has to wait for what is free";
}

}  // namespace
}  // namespace greenplan
