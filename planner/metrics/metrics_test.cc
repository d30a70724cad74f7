#include "planner/metrics/metrics.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricsTest, CountsCallsByMethodAndCode) {
  Metrics metrics("1.2.3");
  metrics.RecordRpc("GetJob", "OK", absl::Milliseconds(2));
  metrics.RecordRpc("GetJob", "OK", absl::Seconds(200));
  metrics.RecordRpc("GetJob", "NOT_FOUND", absl::Milliseconds(1));
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("greenplan_build_info{version=\"1.2.3\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE greenplan_rpc_duration_seconds histogram"));
  EXPECT_THAT(text, HasSubstr("greenplan_rpc_duration_seconds_count{code=\"OK\",method=\"GetJob\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_rpc_duration_seconds_bucket{code=\"OK\",method=\"GetJob\",le=\"120\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_rpc_duration_seconds_count{code=\"NOT_FOUND\",method=\"GetJob\"} 1\n"));
}

TEST(MetricsTest, CountsCallsOfTheStoreByMethodAndCode) {
  Metrics metrics("1.2.3");
  metrics.RecordStoreCall("PutPlan", absl::StatusCode::kOk, absl::Milliseconds(2));
  metrics.RecordStoreCall("PutPlan", absl::StatusCode::kUnavailable, absl::Seconds(2));
  EXPECT_THAT(metrics.Text(),
              HasSubstr("greenplan_store_duration_seconds_bucket{code=\"OK\",method=\"PutPlan\",le=\"0.005\"} 1\n"));
  EXPECT_THAT(metrics.Text(),
              HasSubstr("greenplan_store_duration_seconds_count{code=\"UNAVAILABLE\",method=\"PutPlan\"} 1\n"));
}

v1::Plan SomePlan() {
  v1::Plan plan;
  plan.set_method(v1::METHOD_SELECTION);
  plan.set_status(v1::PLAN_STATUS_FEASIBLE);
  plan.set_value(9);
  plan.set_upper_bound(10);
  plan.set_budget(65);
  plan.set_full_cost(100);
  plan.set_predicted_backward_cost(1000);
  return plan;
}

TEST(MetricsTest, CountsPlansWithTheirGapsAndBudgets) {
  Metrics metrics("1.2.3");
  metrics.RecordPlan(SomePlan(), 0);
  metrics.RecordPlan(SomePlan(), 3);
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("greenplan_plans_total{method=\"selection\",status=\"FEASIBLE\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_plan_gap_ratio_bucket{method=\"selection\",le=\"0.01\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_plan_gap_ratio_bucket{method=\"selection\",le=\"0.1\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_plan_budget_ratio_bucket{method=\"selection\",le=\"0.6\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_plan_budget_ratio_bucket{method=\"selection\",le=\"0.7\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_plan_missing_ranks_total 3\n"));
}

TEST(MetricsTest, APlanThatIsProvedHasNoGapAndOneWithoutABudgetCountsInNone) {
  Metrics metrics("1.2.3");
  v1::Plan plan = SomePlan();
  plan.set_method(v1::METHOD_FULL);
  plan.set_budget(0);
  plan.set_value(0);
  plan.set_upper_bound(0);
  metrics.RecordPlan(plan, 0);
  EXPECT_THAT(metrics.Text(), HasSubstr("greenplan_plan_gap_ratio_bucket{method=\"full\",le=\"0\"} 1\n"));
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("greenplan_plan_budget_ratio_count{method=\"full\"}")));
}

class OutcomeMetricsTest : public ::testing::Test {
 protected:
  OutcomeMetricsTest() {
    job_.set_name("jobs/a");
    job_.mutable_profile()->set_cost_unit(v1::COST_UNIT_FLOPS);
    outcome_.set_step_count(10);
    outcome_.set_step_seconds(0.5);
    outcome_.set_energy_joules(3);
    outcome_.set_executed_backward_flops(1020);
    outcome_.set_mismatched_steps(2);
  }

  v1::Job job_;
  v1::Outcome outcome_;
  Metrics metrics_{"1.2.3"};
};

TEST_F(OutcomeMetricsTest, ComparesExecutedWithPredictedFlops) {
  metrics_.RecordOutcome("team", job_, SomePlan(), outcome_);
  const std::string text = metrics_.Text();
  EXPECT_THAT(text, HasSubstr("greenplan_executed_to_predicted_ratio_bucket{le=\"1.01\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_executed_to_predicted_ratio_bucket{le=\"1.05\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_mismatched_steps_total 2\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_job_predicted_backward_flops_total{job=\"a\",tenant=\"team\"} 10000\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_job_executed_backward_flops_total{job=\"a\",tenant=\"team\"} 10200\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_job_step_seconds_total{job=\"a\",tenant=\"team\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("greenplan_job_energy_joules_total{job=\"a\",tenant=\"team\"} 30\n"));
}

TEST_F(OutcomeMetricsTest, FlopsAreNotComparedWithOtherUnitsOrWithNothing) {
  metrics_.RecordOutcome("team", job_, SomePlan(), v1::Outcome());
  job_.mutable_profile()->set_cost_unit(v1::COST_UNIT_NANOSECONDS);
  metrics_.RecordOutcome("team", job_, SomePlan(), outcome_);
  EXPECT_THAT(metrics_.Text(), HasSubstr("greenplan_executed_to_predicted_ratio_count 0\n"));
  EXPECT_THAT(metrics_.Text(),
              HasSubstr("greenplan_job_predicted_backward_flops_total{job=\"a\",tenant=\"team\"} 0\n"));
}

TEST_F(OutcomeMetricsTest, AnAbsurdOutcomeDoesNotSpoilTheSums) {
  outcome_.set_step_count(std::numeric_limits<int64_t>::max());
  outcome_.set_energy_joules(std::numeric_limits<double>::max());
  metrics_.RecordOutcome("team", job_, SomePlan(), outcome_);
  EXPECT_THAT(metrics_.Text(), HasSubstr("greenplan_job_energy_joules_total{job=\"a\",tenant=\"team\"} 0\n"));
}

TEST(MetricsTest, GaugesAreReadWhenTheyAreAskedFor) {
  Metrics metrics("1.2.3");
  double queued = 3;
  metrics.AddGauge("greenplan_queue_waiting", "Help.", {{"queue", "calls"}}, [&queued] { return queued; });
  metrics.AddGauge("greenplan_queue_waiting", "Help.", {{"queue", "searches"}}, [] { return 1; });
  EXPECT_THAT(metrics.Text(), HasSubstr("greenplan_queue_waiting{queue=\"calls\"} 3\n"));
  queued = 4;
  EXPECT_THAT(metrics.Text(), HasSubstr("greenplan_queue_waiting{queue=\"calls\"} 4\n"));
  EXPECT_THAT(metrics.Text(), HasSubstr("greenplan_queue_waiting{queue=\"searches\"} 1\n"));
}

TEST(MetricsTest, CountsSearchesAndWaits) {
  Metrics metrics("1.2.3");
  metrics.RecordSearch(absl::Microseconds(50));
  metrics.RecordBarrierWait(absl::Seconds(20));
  EXPECT_THAT(metrics.Text(), HasSubstr("greenplan_search_duration_seconds_bucket{le=\"0.0001\"} 1\n"));
  EXPECT_THAT(metrics.Text(), HasSubstr("greenplan_barrier_wait_seconds_bucket{le=\"30\"} 1\n"));
}

}  // namespace
}  // namespace greenplan
