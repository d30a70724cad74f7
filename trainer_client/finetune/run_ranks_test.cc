#include "trainer_client/finetune/run_ranks.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "trainer_client/parallel/test_ranks.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// tests/ranks runs whole processes.

TEST(JoinRanksTest, ARunOfOneRankHasNoGroup) {
  const absl::StatusOr<std::unique_ptr<RankGroup>> ranks = JoinRanks({}, nullptr);
  ASSERT_TRUE(ranks.ok()) << ranks.status();
  EXPECT_EQ(*ranks, nullptr);
}

TEST(JoinRanksTest, RefusesAPlaceThatIsNone) {
  FinetuneOptions options;
  options.world_size = 2;
  options.init = "tcp://nowhere";
  const absl::Status status = JoinRanks(options, nullptr).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "--init is tcp://nowhere; allowed: tcp://HOST:PORT");
}

// Expects that rank 1 says that it waits for rank 0 at `address`, and that they meet there.
void ExpectToMeetAt(const std::string& host, const std::string& address) {
  FinetuneOptions options;
  options.world_size = 2;
  options.init = absl::StrCat("tcp://", host, ":", FreePort());
  absl::Notification is_said;
  std::string first_line;
  absl::StatusOr<std::unique_ptr<RankGroup>> rank_one;
  std::thread other_process([&, options]() mutable {
    options.rank = 1;
    const auto remark = [&](const std::string& line) {
      if (is_said.HasBeenNotified()) return;
      first_line = line;
      is_said.Notify();
    };
    rank_one = JoinRanks(options, remark, absl::ZeroDuration());
    if (!is_said.HasBeenNotified()) is_said.Notify();
  });
  is_said.WaitForNotification();  // Rank 0 has not come yet.
  EXPECT_THAT(first_line, StartsWith(absl::StrCat("waiting for rank 0 at ", address, ":")));
  const auto rank_zero = JoinRanks(options, nullptr);
  EXPECT_EQ(rank_zero.status(), absl::OkStatus());
  other_process.join();
  EXPECT_EQ(rank_one.status(), absl::OkStatus());
}

TEST(JoinRanksTest, SaysWhomItWaitsFor) { ExpectToMeetAt("127.0.0.1", "127.0.0.1"); }

TEST(JoinRanksTest, RanksMeetAtAnAddressInBrackets) {
  if (!HasIpv6()) GTEST_SKIP() << "this machine has no IPv6";
  ExpectToMeetAt("[::1]", "::1");
}

TEST(CheckSameRunTest, NamesTheFlagAndBothValuesOnEveryRank) {
  OnRanks(3, [](RankGroup& ranks) {
    const json run = {{"--lr", ranks.rank() == 1 ? 0.003 : 0.01}, {"--seed", 3}};
    const absl::Status status = CheckSameRun(run, "weights", ranks);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(), "--lr is 0.003 on rank 1, but 0.01 on rank 0; allowed: the same on every rank");
  });
}

TEST(CheckSameRunTest, NamesTheRankWithOtherWeights) {
  OnRanks(3, [](RankGroup& ranks) {
    const absl::Status status = CheckSameRun({{"--seed", 3}}, ranks.rank() == 2 ? "b" : "a", ranks);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr("the model of rank 2 has other weights than that of rank 0"));
  });
}

TEST(CheckSameRunTest, TakesTheSameRun) {
  OnRanks(2, [](RankGroup& ranks) { EXPECT_EQ(CheckSameRun({{"--seed", 3}}, "a", ranks), absl::OkStatus()); });
}

}  // namespace
}  // namespace greenplan::trainer
