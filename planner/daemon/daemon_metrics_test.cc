#include "planner/daemon/daemon_metrics.h"

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

TEST(DaemonMetricsTest, RecordsWhatTheEngineAndTheStoreDo) {
  Metrics metrics("1.2.3");
  const EngineObserver observer = RecordEngine(&metrics);
  v1::Plan plan;
  plan.set_method(v1::METHOD_DROP);
  plan.set_status(v1::PLAN_STATUS_OPTIMAL);
  v1::Job job;
  job.set_name("jobs/a");
  v1::Outcome outcome;
  outcome.set_step_count(10);
  observer.on_plan(plan, 2);
  observer.on_search("team", absl::Milliseconds(1));
  observer.on_wait(absl::Seconds(1));
  observer.on_outcome("team", job, plan, outcome);
  RecordStore (&metrics)("GetJob", absl::StatusCode::kOk, absl::Milliseconds(1));
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("greenplan_plans_total{method=\"drop\",status=\"OPTIMAL\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_plan_missing_ranks_total 2\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_search_duration_seconds_count 1\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_barrier_wait_seconds_count 1\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_job_steps_total{job=\"a\",tenant=\"team\"} 10\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_store_duration_seconds_count{code=\"OK\",method=\"GetJob\"} 1\n"));
}

TEST(DaemonMetricsTest, GaugesFollowTheQueue) {
  Metrics metrics("1.2.3");
  WorkQueue queue({.num_threads = 1});
  AddQueueGauges("calls", &queue, &metrics);
  EXPECT_THAT(metrics.Text(), HasSubstr("greenplan_queue_running{queue=\"calls\"} 0\n"));
  absl::Notification begun;
  absl::Notification may_end;
  ASSERT_TRUE(queue
                  .Submit("a", 0,
                          [&] {
                            begun.Notify();
                            may_end.WaitForNotification();
                          })
                  .ok());
  ASSERT_TRUE(queue.Submit("b", 1000, [] {}).ok());
  begun.WaitForNotification();
  const std::string text = metrics.Text();
  may_end.Notify();
  EXPECT_THAT(text, HasSubstr("greenplan_queue_running{queue=\"calls\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_queue_waiting{queue=\"calls\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_queue_waiting_bytes{queue=\"calls\"} 1000\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_queue_tenants{queue=\"calls\"} 2\n"));
}

}  // namespace
}  // namespace greenplan
