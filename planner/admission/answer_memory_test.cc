#include "planner/admission/answer_memory.h"

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/rpc/retry_delay.h"

namespace greenplan {
namespace {

constexpr int64_t kLarge = 1 << 20;
constexpr int64_t kTaken = kLarge + AnswerMemory::kCallBytes;

void ExpectToComeAgain(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_TRUE(RetryDelayOf(status).has_value()) << status;
}

TEST(AnswerMemoryTest, RefusesTheTenantWhoseAnswersWaitAndNoOther) {
  AnswerMemory memory({.bytes_per_tenant = 2 * kTaken, .bytes = 100 * kTaken});
  auto first = memory.Take("a", kLarge);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(memory.Admit("a").ok());
  const auto second = memory.Take("a", kLarge);
  ASSERT_TRUE(second.ok()) << second.status();
  ExpectToComeAgain(memory.Admit("a"));
  ExpectToComeAgain(memory.Take("a", kLarge).status());
  EXPECT_THAT(memory.Admit("a").message(), ::testing::HasSubstr("allowed: " + std::to_string(2 * kTaken)));
  EXPECT_TRUE(memory.Admit("b").ok());
  EXPECT_TRUE(memory.Take("b", kLarge).ok());
  EXPECT_EQ(memory.held_bytes(), 2 * kTaken) << "what b took is given back";
  first->reset();
  EXPECT_TRUE(memory.Admit("a").ok());
  EXPECT_TRUE(memory.Take("a", kLarge).ok());
}

TEST(AnswerMemoryTest, SmallAnswersOfCallsThatWereAdmittedAreSent) {
  AnswerMemory memory({.bytes_per_tenant = 1, .bytes = 1});
  std::vector<AnswerMemory::Share> shares;
  for (int i = 0; i < 3; ++i) {
    auto share = memory.Take("a", 100);
    ASSERT_TRUE(share.ok()) << share.status();
    shares.push_back(*std::move(share));
  }
  ExpectToComeAgain(memory.Admit("a"));
  EXPECT_EQ(memory.held_bytes(), 3 * (100 + AnswerMemory::kCallBytes));
}

TEST(AnswerMemoryTest, WhoHoldsNothingGetsAnAnswerHoweverLarge) {
  AnswerMemory memory({.bytes_per_tenant = 1, .bytes = 1});
  const auto a = memory.Take("a", kLarge);
  EXPECT_TRUE(a.ok()) << a.status();
  EXPECT_TRUE(memory.Admit("b").ok());
  EXPECT_TRUE(memory.Take("b", kLarge).ok());
}

// Whoever holds most is refused first.
TEST(AnswerMemoryTest, WhereAllHoldTooMuchThoseAreRefusedWhoHoldMoreThanTheirShare) {
  AnswerMemory memory({.bytes_per_tenant = 8 * kTaken, .bytes = 8 * kTaken});
  std::vector<AnswerMemory::Share> shares;
  const auto take = [&](const std::string& tenant) {
    auto share = memory.Take(tenant, kLarge);
    if (share.ok()) shares.push_back(*std::move(share));
    return share.ok();
  };
  for (int i = 0; i < 7; ++i) EXPECT_TRUE(take("a")) << i;
  EXPECT_TRUE(take("b"));
  EXPECT_FALSE(take("a"));
  ExpectToComeAgain(memory.Admit("a"));
  for (int i = 1; i < 4; ++i) EXPECT_TRUE(take("b")) << i;
  EXPECT_FALSE(take("b")) << "it holds half of what there is";
}

TEST(AnswerMemoryTest, ManyThreadsGiveBackWhatTheyTake) {
  AnswerMemory memory({.bytes_per_tenant = 3 * kTaken, .bytes = 4 * kTaken});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, tenant = std::string(1, static_cast<char>('a' + i % 2))] {
      for (int k = 0; k < 1000; ++k) memory.Take(tenant, k % 2 == 0 ? kLarge : 1).status().IgnoreError();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(memory.held_bytes(), 0);
}

}  // namespace
}  // namespace greenplan
