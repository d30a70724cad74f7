#include "planner/service/job_cache.h"

#include "gtest/gtest.h"
#include "planner/job/test_jobs.h"

namespace greenplan {
namespace {

std::shared_ptr<const JobPlanner> MakePlanner(const std::string& name) {
  return *JobPlanner::Create(NewJob(TestJob(name), absl::UnixEpoch()));
}

TEST(JobCacheTest, FindsWhatWasInserted) {
  JobCache cache(2);
  EXPECT_EQ(cache.Find("jobs/a"), nullptr);
  const auto planner = MakePlanner("jobs/a");
  cache.Insert(planner);
  EXPECT_EQ(cache.Find("jobs/a"), planner);
}

TEST(JobCacheTest, EvictsTheJobUsedLongestAgo) {
  JobCache cache(2);
  cache.Insert(MakePlanner("jobs/a"));
  cache.Insert(MakePlanner("jobs/b"));
  EXPECT_NE(cache.Find("jobs/a"), nullptr);
  cache.Insert(MakePlanner("jobs/c"));
  EXPECT_EQ(cache.Find("jobs/b"), nullptr);
  EXPECT_NE(cache.Find("jobs/a"), nullptr);
  EXPECT_NE(cache.Find("jobs/c"), nullptr);
}

TEST(JobCacheTest, AJobInsertedAgainTakesOnePlace) {
  JobCache cache(2);
  cache.Insert(MakePlanner("jobs/a"));
  cache.Insert(MakePlanner("jobs/b"));
  const auto again = MakePlanner("jobs/b");
  cache.Insert(again);
  EXPECT_NE(cache.Find("jobs/a"), nullptr);
  EXPECT_EQ(cache.Find("jobs/b"), again);
}

}  // namespace
}  // namespace greenplan
