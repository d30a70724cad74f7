#include "planner/service/job_cache.h"

#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "gtest/gtest.h"
#include "planner/job/test_jobs.h"

namespace greenplan {
namespace {

using Job = JobCache::Job;

Job Prepare(int64_t revision = 1, v1::Job request = TestJob("jobs/a")) {
  v1::Job job = NewJob(request, absl::UnixEpoch());
  job.set_profile_revision(revision);
  return *PreparedJob::Create(job);
}

const size_t kJobBytes = Prepare()->MemoryBytes();

// Null if the cache has to load it.
Job Find(JobCache& cache, int64_t job_id, int64_t revision = 1) {
  return cache.FindOrLoad(job_id, revision, []() -> absl::StatusOr<Job> { return absl::NotFoundError(""); })
      .value_or(nullptr);
}

TEST(JobCacheTest, FindsARevisionThatWasInserted) {
  JobCache cache(3 * kJobBytes);
  EXPECT_EQ(Find(cache, 7), nullptr);
  const Job first = Prepare(1), second = Prepare(2);
  cache.Insert(7, first);
  cache.Insert(7, second);
  EXPECT_EQ(Find(cache, 7, 1), first);
  EXPECT_EQ(Find(cache, 7, 2), second);
  EXPECT_EQ(Find(cache, 7, 3), nullptr);
  EXPECT_EQ(Find(cache, 8, 1), nullptr);
}

TEST(JobCacheTest, LoadsAJobOnceAndAnErrorAgain) {
  JobCache cache(2 * kJobBytes);
  int num_loads = 0;
  absl::StatusOr<Job> loaded = absl::UnavailableError("away");
  const auto find = [&] {
    return cache.FindOrLoad(7, 1, [&] {
      ++num_loads;
      return loaded;
    });
  };
  EXPECT_EQ(find().status(), loaded.status());
  loaded = Prepare();
  EXPECT_EQ(*find(), *loaded);
  EXPECT_EQ(*find(), *loaded);
  EXPECT_EQ(num_loads, 2);
}

TEST(JobCacheTest, CallsAtTheSameTimeShareOneLoading) {
  constexpr int kCalls = 8;
  JobCache cache(2 * kJobBytes);
  absl::Mutex mutex;
  int num_loads = 0, num_started = 0;
  // Ends once every call has begun, so a call that did not wait for this one would load as well.
  const auto load = [&]() -> absl::StatusOr<Job> {
    absl::MutexLock lock(&mutex);
    ++num_loads;
    const auto all_started = [&] { return num_started == kCalls; };
    mutex.Await(absl::Condition(&all_started));
    return Prepare();
  };
  std::vector<Job> found(kCalls);
  std::vector<std::thread> callers;
  for (Job& job : found) {
    callers.emplace_back([&] {
      {
        absl::MutexLock lock(&mutex);
        ++num_started;
      }
      job = *cache.FindOrLoad(7, 1, load);
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(num_loads, 1);
  for (const Job& job : found) EXPECT_EQ(job, found[0]);
}

TEST(JobCacheTest, ADeletedJobIsGoneInAllRevisions) {
  JobCache cache(4 * kJobBytes);
  cache.Insert(6, Prepare());
  cache.Insert(7, Prepare(1));
  cache.Insert(7, Prepare(2));
  cache.Insert(8, Prepare());
  cache.Remove(7);
  EXPECT_EQ(Find(cache, 7, 1), nullptr);
  EXPECT_EQ(Find(cache, 7, 2), nullptr);
  EXPECT_NE(Find(cache, 6), nullptr);
  EXPECT_NE(Find(cache, 8), nullptr);
}

TEST(JobCacheTest, EvictsTheJobUsedLongestAgoOnceTheBytesAreUsedUp) {
  JobCache cache(2 * kJobBytes);
  cache.Insert(1, Prepare());
  cache.Insert(2, Prepare());
  EXPECT_NE(Find(cache, 1), nullptr);
  cache.Insert(3, Prepare());
  EXPECT_EQ(Find(cache, 2), nullptr);
  EXPECT_NE(Find(cache, 1), nullptr);
  EXPECT_NE(Find(cache, 3), nullptr);
}

TEST(JobCacheTest, ALargeJobTakesThePlaceOfSeveralSmallOnes) {
  JobCache cache(4 * kJobBytes);
  for (int64_t id : {1, 2, 3, 4}) cache.Insert(id, Prepare());
  v1::Job large = TestJob("jobs/a");
  large.mutable_profile()->mutable_tensors(0)->set_name(std::string(kJobBytes / 2, 'x'));
  cache.Insert(5, Prepare(1, large));
  EXPECT_EQ(Find(cache, 1), nullptr);
  EXPECT_EQ(Find(cache, 2), nullptr);
  EXPECT_NE(Find(cache, 4), nullptr);
  EXPECT_NE(Find(cache, 5), nullptr);
}

TEST(JobCacheTest, AJobLargerThanTheCacheIsNotKept) {
  JobCache cache(kJobBytes - 1);
  cache.Insert(1, Prepare());
  EXPECT_EQ(Find(cache, 1), nullptr);
}

TEST(JobCacheTest, AJobInsertedAgainTakesOnePlace) {
  JobCache cache(2 * kJobBytes);
  cache.Insert(1, Prepare());
  cache.Insert(2, Prepare());
  const Job again = Prepare();
  cache.Insert(2, again);
  EXPECT_NE(Find(cache, 1), nullptr);
  EXPECT_EQ(Find(cache, 2), again);
}

}  // namespace
}  // namespace greenplan
