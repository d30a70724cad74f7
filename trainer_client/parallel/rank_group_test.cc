#include "trainer_client/parallel/rank_group.h"

#include <signal.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ATen/ops/equal.h"
#include "ATen/ops/full.h"
#include "ATen/ops/ones.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "torch/csrc/distributed/c10d/TCPStore.hpp"
#include "trainer_client/parallel/test_ranks.h"

namespace greenplan::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// A store at `port`, which is then in use.
c10::intrusive_ptr<c10d::Store> Listen(int port) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(port);
  options.isServer = true;
  options.waitWorkers = false;
  return c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
}

TEST(RankGroupTest, WorksOverAnotherBackendThanGloo) {
  const std::unique_ptr<RankGroup> ranks = AmongEquals(/*rank=*/0, /*world_size=*/2);
  const at::Tensor tensor = at::ones({3});
  ASSERT_TRUE(ranks->Average({tensor}).ok());
  EXPECT_TRUE(at::equal(tensor, at::ones({3})));
  const absl::StatusOr<std::vector<std::string>> all = ranks->Gather("own");
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_THAT(*all, ElementsAre("own", "own"));
}

// Otherwise a write to a rank that has ended ends this one, at times before it can say so.
TEST(RankGroupTest, BrokenPipesAreIgnoredUnlessTheProcessHandlesThem) {
  const auto handler_with_a_group = [](sighandler_t before) {
    signal(SIGPIPE, before);
    const std::unique_ptr<RankGroup> ranks = AmongEquals(/*rank=*/0, /*world_size=*/2);
    return signal(SIGPIPE, SIG_DFL);
  };
  const sighandler_t own = [](int) {};
  EXPECT_EQ(handler_with_a_group(SIG_DFL), SIG_IGN);
  EXPECT_EQ(handler_with_a_group(own), own);
}

TEST(RankGroupTest, AveragesTensorsOfAnyShapeInPlace) {
  OnRanks(3, [](RankGroup& ranks) {
    const double own = ranks.rank();  // 0, 1, 2: the mean is 1.
    const at::Tensor matrix = at::full({4, 5}, own, at::kFloat), scalar = at::full({}, 3 * own, at::kFloat);
    const at::Tensor strided = at::full({6, 2}, own, at::kFloat).t(), wide = at::full({7}, own, at::kDouble);
    ASSERT_TRUE(ranks.Average({matrix, scalar, strided, wide}).ok());
    EXPECT_TRUE(at::equal(matrix, at::ones({4, 5})));
    EXPECT_EQ(scalar.item<float>(), 3);
    EXPECT_TRUE(at::equal(strided, at::ones({2, 6})));
    EXPECT_TRUE(at::equal(wide, at::ones({7}, at::kDouble)));
    EXPECT_EQ(ranks.averaged_bytes(), (20 + 1 + 12) * 4 + 7 * 8);
  });
}

TEST(RankGroupTest, TakesMoreThanABucket) {
  OnRanks(2, [](RankGroup& ranks) {
    std::vector<at::Tensor> tensors;
    for (int i = 0; i < 5; ++i) tensors.push_back(at::full({1 << 21}, i + ranks.rank(), at::kFloat));  // 8 MiB each.
    tensors.push_back(at::full({8 << 20}, ranks.rank(), at::kFloat));  // Above a bucket.
    ASSERT_TRUE(ranks.Average(tensors).ok());
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(at::equal(tensors[i], at::full({1 << 21}, i + 0.5, at::kFloat))) << i;
    EXPECT_TRUE(at::equal(tensors[5], at::full({8 << 20}, 0.5, at::kFloat)));
  });
}

TEST(RankGroupTest, GathersStringsOfDifferentLengths) {
  OnRanks(3, [](RankGroup& ranks) {
    const std::string own(static_cast<size_t>(ranks.rank()) * 2, static_cast<char>('a' + ranks.rank()));
    const absl::StatusOr<std::vector<std::string>> all = ranks.Gather(own);
    ASSERT_TRUE(all.ok()) << all.status();
    EXPECT_THAT(*all, ElementsAre("", "bb", "cccc"));
    EXPECT_EQ(*ranks.Broadcast(std::string("from ") + std::to_string(ranks.rank())), "from 0");
    EXPECT_EQ(*ranks.Mean(ranks.rank()), 1);
  });
}

TEST(RankGroupTest, NamesTheRankThatIsLost) {
  OnRanks(3, [](RankGroup& ranks) {
    ASSERT_TRUE(ranks.Mean(1).ok());
    if (ranks.rank() == 1) return;  // Its group ends with it.
    const absl::Status status = ranks.Average({at::ones({1000})});
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(status.message()), HasSubstr("rank 1 of 3 is lost"));
  });
}

// Such as one that has no memory for a bucket.
TEST(RankGroupTest, ARankThatFailsByItselfSaysWhyAndTheOthersNameIt) {
  OnRanks(2, [](RankGroup& ranks) {
    ASSERT_TRUE(ranks.Mean(1).ok());
    const at::Tensor unusable = at::ones({3}).to_sparse();
    const absl::Status status = ranks.Average({ranks.rank() == 1 ? unusable : at::ones({3})});
    if (ranks.rank() == 1) {
      EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
      EXPECT_THAT(std::string(status.message()), HasSubstr("rank 1 of 2 failed: "));
    } else {
      EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
      EXPECT_THAT(std::string(status.message()), HasSubstr("rank 1 of 2 is lost"));
    }
  });
}

TEST(RankGroupTest, NamesRankZeroThoughItKeepsTheStore) {
  OnRanks(2, [](RankGroup& ranks) {
    ASSERT_TRUE(ranks.Mean(1).ok());
    if (ranks.rank() == 0) return;
    const absl::Status status = ranks.Mean(1).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(status.message()), HasSubstr("rank 0 of 2 is lost"));
  });
}

// Rank 2 is busy elsewhere while rank 1 ends, and rank 0 sees it, names it and ends, too.
TEST(RankGroupTest, NamesTheLostRankToOneThatComesAfterTheOthersHaveEnded) {
  const int port = FreePort();
  const auto join = [port](int rank) {
    return *RankGroup::Join({.world_size = 3, .rank = rank, .host = "127.0.0.1", .port = port});
  };
  absl::Notification zero_has_ended;
  std::thread zero([&] {
    std::unique_ptr<RankGroup> ranks = join(0);
    EXPECT_TRUE(ranks->Mean(1).ok());
    EXPECT_THAT(std::string(ranks->Mean(1).status().message()), HasSubstr("rank 1 of 3 is lost"));
    ranks.reset();
    zero_has_ended.Notify();
  });
  std::thread one([&] { EXPECT_TRUE(join(1)->Mean(1).ok()); });
  std::thread two([&] {
    const std::unique_ptr<RankGroup> ranks = join(2);
    EXPECT_TRUE(ranks->Mean(1).ok());
    zero_has_ended.WaitForNotification();
    EXPECT_THAT(std::string(ranks->Mean(1).status().message()), HasSubstr("rank 1 of 3 is lost"));
  });
  for (std::thread* thread : {&zero, &one, &two}) thread->join();
}

// Every rank counts as silent between two beats.
TEST(RankGroupTest, ARankIsLostOnceItIsSilentForAsLongAsJoinSays) {
  const int port = FreePort();
  const auto join = [port](int rank) {
    return *RankGroup::Join(
        {.world_size = 2, .rank = rank, .host = "127.0.0.1", .port = port, .silence = absl::Nanoseconds(1)});
  };
  absl::Notification is_lost;
  std::thread zero([&] {
    const std::unique_ptr<RankGroup> ranks = join(0);
    if (!is_lost.WaitForNotificationWithTimeout(absl::Seconds(10))) ranks->Mean(1).IgnoreError();
  });
  std::thread one([&] {
    const std::unique_ptr<RankGroup> ranks = join(1);
    EXPECT_THAT(std::string(ranks->Mean(1).status().message()), HasSubstr("rank 0 of 2 is lost"));
    is_lost.Notify();
  });
  for (std::thread* thread : {&zero, &one}) thread->join();
}

TEST(RankGroupTest, ARankThatWaitsSaysForWhom) {
  std::vector<std::string> remarks;
  const absl::Status status = RankGroup::Join({.world_size = 3,
                                               .rank = 0,
                                               .host = "127.0.0.1",
                                               .port = FreePort(),
                                               .timeout = absl::Seconds(1),
                                               .remark = [&](const std::string& line) { remarks.push_back(line); },
                                               .remark_after = absl::ZeroDuration()})
                                  .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(remarks, ElementsAre("waiting for ranks 1, 2 of 3"));
}

TEST(RankGroupTest, NamesTheRanksThatDoNotCome) {
  const int port = FreePort();
  const absl::Status status =
      RankGroup::Join({.world_size = 3, .rank = 0, .host = "127.0.0.1", .port = port, .timeout = absl::Seconds(1)})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("ranks 1, 2 of 3 did not come to 127.0.0.1:"));
}

TEST(RankGroupTest, SaysWhichHostIsNotFound) {
  std::vector<std::string> remarks;
  const absl::Status status = RankGroup::Join({.world_size = 2,
                                               .rank = 1,
                                               .host = "no.such.host.invalid",
                                               .port = 1,
                                               .timeout = absl::Milliseconds(100),
                                               .remark = [&](const std::string& line) { remarks.push_back(line); },
                                               .remark_after = absl::ZeroDuration()})
                                  .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the host no.such.host.invalid is not found"));
  for (const std::string& remark : remarks)
    EXPECT_THAT(remark, HasSubstr("waiting for rank 0 at no.such.host.invalid:1: the host"));
}

// LibTorch adds a stack trace to its errors.
TEST(RankGroupTest, APortInUseIsToldInOneLine) {
  const int port = FreePort();
  const auto store = Listen(port);
  const absl::Status status =
      RankGroup::Join({.world_size = 2, .rank = 0, .host = "127.0.0.1", .port = port, .timeout = absl::Seconds(1)})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the ranks cannot meet at 127.0.0.1:"));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("frame #")));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("\n")));
}

TEST(RankGroupTest, SaysThatRankZeroDoesNotAnswer) {
  const absl::Status status =
      RankGroup::Join(
          {.world_size = 2, .rank = 1, .host = "127.0.0.1", .port = FreePort(), .timeout = absl::Seconds(1)})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("rank 0 does not answer at 127.0.0.1:"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("within 1s: Connection refused"));
}

TEST(RankGroupTest, RefusesRanksThatDoNotExist) {
  const absl::Status status = RankGroup::Join({.world_size = 2, .rank = 2, .host = "127.0.0.1", .port = 1}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "rank is 2; allowed: an integer from 0 to 1");
  EXPECT_EQ(RankGroup::Join({.world_size = 0}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(RankGroup::Join({.host = "127.0.0.1", .port = 0}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace greenplan::trainer
