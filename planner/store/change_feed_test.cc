#include "planner/store/change_feed.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Change kPlan = {.kind = Change::Kind::kPlan, .job_id = 7, .round = 3};

TEST(ChangeFeedTest, EveryListenerIsToldUntilItsSubscriptionEnds) {
  ChangeFeed feed;
  std::vector<Change> first;
  std::vector<Change> second;
  auto subscription = feed.Subscribe([&](const Change& change) { first.push_back(change); });
  const auto other = feed.Subscribe([&](const Change& change) { second.push_back(change); });
  feed.Publish(kPlan);
  subscription.reset();
  feed.Publish({});
  EXPECT_THAT(first, ElementsAre(kPlan));
  EXPECT_THAT(second, ElementsAre(kPlan, Change{}));
}

TEST(ChangeFeedTest, WithoutListenersNothingHappens) {
  ChangeFeed feed;
  feed.Publish(kPlan);
  std::vector<Change> late;
  const auto subscription = feed.Subscribe([&](const Change& change) { late.push_back(change); });
  EXPECT_THAT(late, IsEmpty());
}

}  // namespace
}  // namespace greenplan
