#include "planner/store/postgres/change_topics.h"

#include <cstdint>
#include <limits>

#include "gtest/gtest.h"

namespace greenplan::postgres {
namespace {

constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();

TEST(ChangeTopicsTest, AChangeIsReadAsItWasWritten) {
  for (const Change& change :
       {Change{.kind = Change::Kind::kPlan, .job_id = kLargest, .round = kLargest},
        Change{.kind = Change::Kind::kPlan, .job_id = 1, .round = 0},
        Change{.kind = Change::Kind::kJobDeleted, .job_id = kLargest}, Change{.kind = Change::Kind::kAny}}) {
    EXPECT_TRUE(ToChange(ToTopic(change)) == change) << ToTopic(change);
  }
}

TEST(ChangeTopicsTest, WhatIsNotUnderstoodMayBeAnything) {
  for (const char* topic :
       {"plan", "plan 1", "plan x 2", "plan 1 x", "plan 1 2 3", "deleted", "deleted x", "moved 1"}) {
    EXPECT_TRUE(ToChange(topic) == Change{}) << topic;
  }
}

}  // namespace
}  // namespace greenplan::postgres
