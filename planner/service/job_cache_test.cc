#include "planner/service/job_cache.h"

#include "gtest/gtest.h"
#include "planner/job/test_jobs.h"

namespace greenplan {
namespace {

std::shared_ptr<const PreparedJob> Prepare(const std::string& name) {
  return *PreparedJob::Create(NewJob(TestJob(name), absl::UnixEpoch()));
}

const size_t kJobBytes = Prepare("jobs/a")->MemoryBytes();

TEST(JobCacheTest, FindsWhatWasInserted) {
  JobCache cache(2 * kJobBytes);
  EXPECT_EQ(cache.Find("jobs/a"), nullptr);
  const auto job = Prepare("jobs/a");
  cache.Insert(job);
  EXPECT_EQ(cache.Find("jobs/a"), job);
}

TEST(JobCacheTest, EvictsTheJobUsedLongestAgoOnceTheBytesAreUsedUp) {
  JobCache cache(2 * kJobBytes);
  cache.Insert(Prepare("jobs/a"));
  cache.Insert(Prepare("jobs/b"));
  EXPECT_NE(cache.Find("jobs/a"), nullptr);
  cache.Insert(Prepare("jobs/c"));
  EXPECT_EQ(cache.Find("jobs/b"), nullptr);
  EXPECT_NE(cache.Find("jobs/a"), nullptr);
  EXPECT_NE(cache.Find("jobs/c"), nullptr);
}

TEST(JobCacheTest, ALargeJobTakesThePlaceOfSeveralSmallOnes) {
  JobCache cache(4 * kJobBytes);
  for (const char* name : {"jobs/a", "jobs/b", "jobs/c", "jobs/d"}) cache.Insert(Prepare(name));
  v1::Job large = TestJob("jobs/l");
  large.mutable_profile()->mutable_tensors(0)->set_name(std::string(kJobBytes / 2, 'x'));
  cache.Insert(*PreparedJob::Create(NewJob(large, absl::UnixEpoch())));
  EXPECT_EQ(cache.Find("jobs/a"), nullptr);
  EXPECT_EQ(cache.Find("jobs/b"), nullptr);
  EXPECT_NE(cache.Find("jobs/d"), nullptr);
  EXPECT_NE(cache.Find("jobs/l"), nullptr);
}

TEST(JobCacheTest, AJobLargerThanTheCacheIsNotKept) {
  JobCache cache(kJobBytes - 1);
  cache.Insert(Prepare("jobs/a"));
  EXPECT_EQ(cache.Find("jobs/a"), nullptr);
}

TEST(JobCacheTest, AJobInsertedAgainTakesOnePlace) {
  JobCache cache(2 * kJobBytes);
  cache.Insert(Prepare("jobs/a"));
  cache.Insert(Prepare("jobs/b"));
  const auto again = Prepare("jobs/b");
  cache.Insert(again);
  EXPECT_NE(cache.Find("jobs/a"), nullptr);
  EXPECT_EQ(cache.Find("jobs/b"), again);
}

}  // namespace
}  // namespace greenplan
