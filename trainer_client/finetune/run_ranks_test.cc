#include "trainer_client/finetune/run_ranks.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "trainer_client/parallel/test_ranks.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

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
