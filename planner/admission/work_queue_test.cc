#include "planner/admission/work_queue.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/rpc/retry_delay.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

// Work that says when a thread has taken it and goes on until it is let go.
class HeldWork {
 public:
  WorkQueue::Work Get() {
    return [this] {
      started_.Notify();
      released_.WaitForNotification();
    };
  }
  void WaitUntilStarted() { started_.WaitForNotification(); }
  bool has_started() const { return started_.HasBeenNotified(); }
  void Release() { released_.Notify(); }

 private:
  absl::Notification started_;
  absl::Notification released_;
};

TEST(WorkQueueTest, RunsEachWorkOnceOnAnotherThread) {
  std::atomic<int> num_runs = 0;
  std::atomic<int> num_here = 0;
  const std::thread::id here = std::this_thread::get_id();
  {
    WorkQueue queue({.num_threads = 3});
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(queue
                      .Submit("t" + std::to_string(i % 7), 0,
                              [&] {
                                ++num_runs;
                                if (std::this_thread::get_id() == here) ++num_here;
                              })
                      .ok());
    }
  }
  EXPECT_EQ(num_runs, 200);
  EXPECT_EQ(num_here, 0);
}

TEST(WorkQueueTest, RefusesTheTenantWhoseQueueIsFullAndNoOther) {
  HeldWork held;
  std::atomic<int> num_runs = 0;
  {
    WorkQueue queue({.num_threads = 1, .max_queued_per_tenant = 2});
    ASSERT_TRUE(queue.Submit("greedy", 0, held.Get()).ok());
    held.WaitUntilStarted();
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(queue.Submit("greedy", 0, [&] { ++num_runs; }).ok());
    const auto token = std::make_shared<int>();
    const absl::Status refused = queue.Submit("greedy", 0, [&, token] { ++num_runs; });
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(refused.message(), HasSubstr("2 calls of this tenant are waiting already; allowed: 2"));
    EXPECT_GT(RetryDelayOf(refused).value_or(absl::ZeroDuration()), absl::ZeroDuration());
    EXPECT_EQ(token.use_count(), 1);  // The refused work is gone.
    EXPECT_TRUE(queue.Submit("modest", 0, [&] { ++num_runs; }).ok());
    queue.Continue("greedy", [&] { ++num_runs; });
    EXPECT_EQ(queue.load().num_queued, 4);
    EXPECT_EQ(queue.load().num_running, 1);
    EXPECT_EQ(queue.load().num_tenants, 2);
    held.Release();
  }
  EXPECT_EQ(num_runs, 4);
}

TEST(WorkQueueTest, RefusesRequestsOfTooManyBytes) {
  HeldWork held;
  std::atomic<int> num_runs = 0;
  {
    WorkQueue queue({.num_threads = 1, .max_queued_bytes_per_tenant = 100, .max_queued_bytes = 150});
    ASSERT_TRUE(queue.Submit("greedy", 1000, held.Get()).ok());
    held.WaitUntilStarted();
    const auto submit = [&](const std::string& tenant, int64_t num_bytes) {
      return queue.Submit(tenant, num_bytes, [&] { ++num_runs; });
    };
    ASSERT_TRUE(submit("greedy", 60).ok());
    const absl::Status refused = submit("greedy", 41);
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(refused.message(), HasSubstr("calls of this tenant with requests of 60 bytes are waiting already, and "
                                             "this request takes 41; allowed: 100"));
    EXPECT_GT(RetryDelayOf(refused).value_or(absl::ZeroDuration()), absl::ZeroDuration());
    ASSERT_TRUE(submit("greedy", 40).ok());
    ASSERT_TRUE(submit("modest", 30).ok());
    EXPECT_EQ(submit("modest", 21).code(), absl::StatusCode::kResourceExhausted) << "all together have too much";
    EXPECT_TRUE(submit("modest", 20).ok());
    EXPECT_TRUE(submit("third", 1000).ok()) << "a tenant without anything queued is never refused";
    EXPECT_EQ(queue.load().num_queued_bytes, 1150);
    held.Release();
  }
  EXPECT_EQ(num_runs, 5);
}

TEST(WorkQueueTest, BytesCountUntilAThreadHasTakenTheWork) {
  HeldWork first, second, third;
  WorkQueue queue({.num_threads = 1, .max_queued_bytes_per_tenant = 100});
  ASSERT_TRUE(queue.Submit("a", 60, first.Get()).ok());
  first.WaitUntilStarted();
  ASSERT_TRUE(queue.Submit("a", 60, second.Get()).ok());
  EXPECT_FALSE(queue.Submit("a", 60, third.Get()).ok());
  first.Release();
  second.WaitUntilStarted();
  EXPECT_TRUE(queue.Submit("a", 60, third.Get()).ok());
  second.Release();
  third.WaitUntilStarted();
  EXPECT_EQ(queue.load().num_queued_bytes, 0);
  third.Release();
}

TEST(WorkQueueTest, TenantsTakeTurnsHoweverMuchOneHasQueued) {
  HeldWork held;
  std::string order;
  {
    WorkQueue queue({.num_threads = 1});
    ASSERT_TRUE(queue.Submit("a", 0, held.Get()).ok());
    held.WaitUntilStarted();
    for (const char tenant : std::string("aaaabbc")) {
      ASSERT_TRUE(queue.Submit(std::string(1, tenant), 0, [&order, tenant] { order += tenant; }).ok());
    }
    held.Release();
  }
  EXPECT_EQ(order, "abcabaa");
}

TEST(WorkQueueTest, AFreeThreadGoesToTheTenantWithTheFewest) {
  HeldWork a[3];
  HeldWork b[2];
  WorkQueue queue({.num_threads = 2});
  for (HeldWork& work : a) ASSERT_TRUE(queue.Submit("a", 0, work.Get()).ok());
  a[0].WaitUntilStarted();
  a[1].WaitUntilStarted();
  for (HeldWork& work : b) ASSERT_TRUE(queue.Submit("b", 0, work.Get()).ok());
  a[0].Release();
  b[0].WaitUntilStarted();
  EXPECT_FALSE(a[2].has_started());
  a[1].Release();
  a[2].WaitUntilStarted();
  EXPECT_FALSE(b[1].has_started());
  for (HeldWork* work : {&a[2], &b[0], &b[1]}) work->Release();
}

TEST(WorkQueueTest, LeavesThreadsToOthersHoweverLongOneTenantsWorkTakes) {
  HeldWork a[2];
  HeldWork b;
  WorkQueue queue({.num_threads = 2, .max_running_per_tenant = 1});
  for (HeldWork& work : a) ASSERT_TRUE(queue.Submit("a", 0, work.Get()).ok());
  a[0].WaitUntilStarted();
  ASSERT_TRUE(queue.Submit("b", 0, b.Get()).ok());
  b.WaitUntilStarted();
  EXPECT_FALSE(a[1].has_started());
  a[0].Release();
  a[1].WaitUntilStarted();
  a[1].Release();
  b.Release();
}

TEST(WorkQueueTest, WorkOfASequenceRunsInOrderAndHoldsNoThreadMeanwhile) {
  HeldWork first, other_sequence, other_tenant;
  std::string order;
  absl::Notification is_done;
  WorkQueue queue({.num_threads = 2, .max_queued_per_tenant = 5});
  ASSERT_TRUE(queue.Submit("a", 0, first.Get(), "jobs/x").ok());
  first.WaitUntilStarted();
  for (const char c : std::string("123")) {
    ASSERT_TRUE(queue
                    .Submit(
                        "a", 0, [&order, c] { order += c; }, "jobs/x")
                    .ok());
  }
  ASSERT_TRUE(queue.Submit("a", 0, other_sequence.Get(), "jobs/y").ok());
  other_sequence.WaitUntilStarted();
  other_sequence.Release();
  ASSERT_TRUE(queue.Submit("b", 0, other_tenant.Get(), "jobs/x").ok());
  other_tenant.WaitUntilStarted();
  other_tenant.Release();
  EXPECT_EQ(order, "");
  EXPECT_EQ(queue.load().num_queued, 3) << "what waits for its turn counts as queued";
  ASSERT_TRUE(queue
                  .Submit(
                      "a", 0, [&] { is_done.Notify(); }, "jobs/x")
                  .ok());
  first.Release();
  is_done.WaitForNotification();
  EXPECT_EQ(order, "123");
}

TEST(WorkQueueTest, AnySequenceGoesOnWhereOneTenantHasFewThreads) {
  std::atomic<int> num_running = 0, num_runs = 0;
  {
    WorkQueue queue({.num_threads = 4, .max_running_per_tenant = 2});
    for (int i = 0; i < 300; ++i) {
      ASSERT_TRUE(queue
                      .Submit(
                          "a", 0,
                          [&] {
                            EXPECT_LE(++num_running, 2);
                            std::this_thread::yield();
                            --num_running;
                            ++num_runs;
                          },
                          i % 3 == 0 ? "" : "jobs/" + std::to_string(i % 2))
                      .ok());
    }
  }
  EXPECT_EQ(num_runs, 300);
}

#ifdef __linux__

TEST(WorkQueueTest, ItsThreadsAloneGiveWayToOthers) {
  const int here = getpriority(PRIO_PROCESS, 0);
  int there = 0;
  {
    WorkQueue({.num_threads = 1, .niceness = 3}).Continue("a", [&] { there = getpriority(PRIO_PROCESS, 0); });
  }
  EXPECT_EQ(there, std::min(here + 3, 19));
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), here);
}

#endif

TEST(WorkQueueTest, DestructionRunsWhatIsQueuedAndWhatThatSubmits) {
  std::atomic<int> depth = 0;
  HeldWork held;
  std::function<void()> go_deeper;
  {
    WorkQueue queue({.num_threads = 2, .max_queued_per_tenant = 1});
    go_deeper = [&] {
      if (++depth == 1) held.Release();
      if (depth < 10) queue.Continue("a", go_deeper);
    };
    ASSERT_TRUE(queue.Submit("a", 0, held.Get()).ok());
    held.WaitUntilStarted();
    ASSERT_TRUE(queue.Submit("a", 0, go_deeper).ok());
  }
  EXPECT_EQ(depth, 10);
}

TEST(WorkQueueTest, TheRetryDelayFollowsHowLongWorkTakes) {
  std::atomic<int> seconds = 0;
  HeldWork held;
  WorkQueue queue({.num_threads = 1, .max_queued_per_tenant = 4, .now = [&] {
                     return absl::UnixEpoch() + absl::Seconds(seconds.load());
                   }});
  ASSERT_TRUE(queue.Submit("a", 0, [&] { seconds += 8; }).ok());
  ASSERT_TRUE(queue.Submit("a", 0, held.Get()).ok());
  held.WaitUntilStarted();  // The mean is 8 s / 16 now.
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(queue.Submit("a", 0, [] {}).ok());
  EXPECT_EQ(RetryDelayOf(queue.Submit("a", 0, [] {})), absl::Seconds(2));
  held.Release();
}

TEST(WorkQueueTest, ManyThreadsMaySubmitAtOnce) {
  std::atomic<int> num_runs = 0;
  std::atomic<int> num_refused = 0;
  {
    WorkQueue queue({.num_threads = 4, .max_running_per_tenant = 2, .max_queued_per_tenant = 16});
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 8; ++caller) {
      callers.emplace_back([&, caller] {
        for (int i = 0; i < 500; ++i) {
          const std::string tenant = "t" + std::to_string(caller % 3);
          if (!queue.Submit(tenant, 0, [&] { ++num_runs; }).ok()) ++num_refused;
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
  }
  EXPECT_EQ(num_runs + num_refused, 8 * 500);
  EXPECT_GT(num_runs, 0);
}

}  // namespace
}  // namespace greenplan
