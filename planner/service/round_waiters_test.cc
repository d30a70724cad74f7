#include "planner/service/round_waiters.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::ElementsAre;

class RoundWaitersTest : public ::testing::Test {
 protected:
  void Add(const RoundId& id, const std::string& name, CallLimits limits = {}) {
    waiters_.Add(id, {.done = [this, name](const absl::StatusOr<v1::Plan>&) { answered_.push_back(name); },
                      .limits = std::move(limits)});
  }
  // The names of the waiters in the order in which they are answered.
  std::vector<std::string> Answer(const std::vector<RoundWaiter>& waiters) {
    answered_.clear();
    for (const RoundWaiter& waiter : waiters) waiter.done(v1::Plan());
    return answered_;
  }

  RoundWaiters waiters_;
  std::vector<std::string> answered_;
};

TEST_F(RoundWaitersTest, ARoundsWaitersAreTakenOnce) {
  Add({1, 0}, "a");
  Add({1, 1}, "b");
  Add({1, 0}, "c");
  EXPECT_TRUE(waiters_.Has({1, 0}));
  EXPECT_THAT(Answer(waiters_.Take({1, 0})), ElementsAre("a", "c"));
  EXPECT_FALSE(waiters_.Has({1, 0}));
  EXPECT_TRUE(waiters_.Take({1, 0}).empty());
  EXPECT_THAT(waiters_.Rounds(), ElementsAre(RoundId{1, 1}));
}

TEST_F(RoundWaitersTest, AJobsWaitersAreThoseOfAllItsRounds) {
  Add({1, 0}, "a");
  Add({2, 0}, "b");
  Add({2, 7}, "c");
  Add({3, 0}, "d");
  EXPECT_THAT(Answer(waiters_.TakeJob(2)), ElementsAre("b", "c"));
  EXPECT_THAT(Answer(waiters_.TakeAll()), ElementsAre("a", "d"));
  EXPECT_TRUE(waiters_.Rounds().empty());
}

TEST_F(RoundWaitersTest, WhoHasGoneIsTakenOut) {
  bool is_cancelled = false;
  absl::Duration now = absl::Seconds(1);
  Add({1, 0}, "stays");
  Add({1, 0}, "cancels", {.cancelled = [&] { return is_cancelled; }});
  Add({2, 0}, "has until 2 s", {.deadline = absl::Seconds(2), .clock = [&] { return now; }});
  EXPECT_TRUE(waiters_.TakeGone().empty());
  is_cancelled = true;
  EXPECT_THAT(Answer(waiters_.TakeGone()), ElementsAre("cancels"));
  now = absl::Seconds(2);
  EXPECT_THAT(Answer(waiters_.TakeGone()), ElementsAre("has until 2 s"));
  EXPECT_THAT(waiters_.Rounds(), ElementsAre(RoundId{1, 0}));
}

}  // namespace
}  // namespace greenplan
