#include "planner/metrics/metrics.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "planner/convert/names.h"
#include "planner/metrics/job_series.h"
#include "planner/metrics/series_table.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"

namespace greenplan {
namespace {

using Boundaries = prometheus::Histogram::BucketBoundaries;

// From a plan that is kept already to a barrier that waits for its slowest rank.
const Boundaries kRpcSeconds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                0.25,   0.5,     1,      2.5,   5,      10,    30,   60,    120};
const Boundaries kSearchSeconds = {0.00001, 0.0001, 0.001, 0.01, 0.1, 1, 10, 60};
// From memory to a disk that is about to fail.
const Boundaries kStoreSeconds = {0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5};
const Boundaries kGapRatios = {0, 1e-9, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1};
const Boundaries kBudgetRatios = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1};
// A prediction is exact but for what drawn blocks make of it.
const Boundaries kExecutedRatios = {0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 1, 1.001, 1.01, 1.05, 1.1, 1.2, 2};

// How many jobs have time series of their own, and when a job's place may be taken by another.
constexpr int kMaxJobs = 200;
constexpr absl::Duration kJobIdleTime = absl::Hours(1);

prometheus::Gauge& NewGauge(prometheus::Registry& registry, const std::string& name, const std::string& help,
                            const Metrics::Labels& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(labels);
}

prometheus::Family<prometheus::Counter>& NewCounters(prometheus::Registry& registry, const std::string& name,
                                                     const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Family<prometheus::Histogram>& NewHistograms(prometheus::Registry& registry, const std::string& name,
                                                         const std::string& help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

SeriesTable<prometheus::Histogram> NewHistogramTable(prometheus::Registry& registry, const std::string& name,
                                                     const std::string& help, std::vector<std::string> label_names,
                                                     const Boundaries& boundaries) {
  return {std::move(label_names), [&family = NewHistograms(registry, name, help), &boundaries](
                                      const Metrics::Labels& labels) { return &family.Add(labels, boundaries); }};
}

// (upper_bound - value) / the larger of their magnitudes: between 0 and 2.
double GapRatio(const v1::Plan& plan) {
  const double gap = plan.upper_bound() - plan.value();
  return gap > 0 ? gap / std::max(std::abs(plan.upper_bound()), std::abs(plan.value())) : 0;
}

// An outcome without executed FLOPs is one whose client does not count them, unless nothing was to be executed.
bool HasExecutedFlops(const v1::Job& job, const v1::Outcome& outcome) {
  return job.profile().cost_unit() == v1::COST_UNIT_FLOPS && outcome.executed_backward_flops() > 0;
}

JobSeries::Steps StepsOf(const v1::Job& job, const v1::Plan& plan, const v1::Outcome& outcome) {
  const auto count = static_cast<double>(outcome.step_count());
  JobSeries::Steps steps = {.count = count};
  // Both may be anything that a client sends: a product beyond the doubles would spoil the sum for ever.
  if (std::isfinite(count * outcome.step_seconds())) steps.seconds = count * outcome.step_seconds();
  if (std::isfinite(count * outcome.energy_joules())) steps.joules = count * outcome.energy_joules();
  if (HasExecutedFlops(job, outcome)) {
    steps.predicted_backward_flops = count * static_cast<double>(plan.predicted_backward_cost());
    steps.executed_backward_flops = count * static_cast<double>(outcome.executed_backward_flops());
  }
  return steps;
}

}  // namespace

class Metrics::Families {
 public:
  explicit Families(const std::string& version) {
    NewGauge(registry, "greenplan_build_info", "1, with the version of the daemon as a label.", {{"version", version}})
        .Set(1);
    NewGauge(registry, "greenplan_start_time_seconds", "When the daemon started, in seconds of Unix time.", {})
        .Set(absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()));
  }

  // `read` says what the gauge has.
  void AddGauge(prometheus::Gauge* gauge, std::function<double()> read) {
    absl::MutexLock lock(&mutex_);
    gauges_.emplace_back(gauge, std::move(read));
  }

  void ReadGauges() {
    absl::MutexLock lock(&mutex_);
    for (const auto& [gauge, read] : gauges_) gauge->Set(read());
  }

  prometheus::Registry registry;
  SeriesTable<prometheus::Histogram> rpc_duration = NewHistogramTable(
      registry, "greenplan_rpc_duration_seconds",
      "Time from the start of a call to its answer, by method and status code.", {"method", "code"}, kRpcSeconds);
  SeriesTable<prometheus::Histogram> store_duration = NewHistogramTable(
      registry, "greenplan_store_duration_seconds", "Time that a call of the store took, by method and status code.",
      {"method", "code"}, kStoreSeconds);
  prometheus::Histogram& barrier_wait =
      NewHistograms(registry, "greenplan_barrier_wait_seconds",
                    "Time from a rank's report to the answer, for reports that waited for other ranks.")
          .Add({}, kRpcSeconds);
  prometheus::Histogram& search_duration =
      NewHistograms(registry, "greenplan_search_duration_seconds", "Time that the search for a round's plan took.")
          .Add({}, kSearchSeconds);
  SeriesTable<prometheus::Counter> plans{
      {"method", "status"},
      [&family = NewCounters(registry, "greenplan_plans_total", "Plans made for rounds, by method and status.")](
          const Labels& labels) { return &family.Add(labels); }};
  SeriesTable<prometheus::Histogram> plan_gap = NewHistogramTable(
      registry, "greenplan_plan_gap_ratio",
      "How far a plan's value may be from the best one's: (upper_bound - value) / the larger of their magnitudes.",
      {"method"}, kGapRatios);
  SeriesTable<prometheus::Histogram> plan_budget =
      NewHistogramTable(registry, "greenplan_plan_budget_ratio",
                        "Budget of a plan as a share of the cost of full fine-tuning.", {"method"}, kBudgetRatios);
  prometheus::Counter& missing_ranks =
      NewCounters(registry, "greenplan_plan_missing_ranks_total",
                  "Ranks whose reports the plan of their round does not rest on, because they came too late or never.")
          .Add({});
  prometheus::Histogram& executed_to_predicted =
      NewHistograms(registry, "greenplan_executed_to_predicted_ratio",
                    "Executed FLOPs of backward, as a rank reports them, as a share of those that the plan predicted.")
          .Add({}, kExecutedRatios);
  prometheus::Counter& mismatched_steps =
      NewCounters(registry, "greenplan_mismatched_steps_total",
                  "Steps that, as ranks report, executed other FLOPs than were predicted.")
          .Add({});
  JobSeries jobs{&registry, kMaxJobs, kJobIdleTime};

 private:
  absl::Mutex mutex_;
  std::vector<std::pair<prometheus::Gauge*, std::function<double()>>> gauges_ ABSL_GUARDED_BY(mutex_);
};

Metrics::Metrics(const std::string& version) : families_(std::make_unique<Families>(version)) {}

Metrics::~Metrics() = default;

void Metrics::RecordRpc(absl::string_view method, absl::string_view code, absl::Duration duration) {
  families_->rpc_duration.Of({method, code}).Observe(absl::ToDoubleSeconds(duration));
}

void Metrics::RecordStoreCall(absl::string_view method, absl::StatusCode code, absl::Duration duration) {
  families_->store_duration.Of({method, absl::StatusCodeToString(code)}).Observe(absl::ToDoubleSeconds(duration));
}

void Metrics::RecordPlan(const v1::Plan& plan, int64_t num_missing_ranks) {
  const std::string method = MethodName(plan.method());
  families_->plans.Of({method, StatusName(plan.status())}).Increment();
  families_->plan_gap.Of({method}).Observe(GapRatio(plan));
  if (plan.budget() > 0 && plan.full_cost() > 0) {
    families_->plan_budget.Of({method}).Observe(static_cast<double>(plan.budget()) /
                                                static_cast<double>(plan.full_cost()));
  }
  families_->missing_ranks.Increment(static_cast<double>(num_missing_ranks));
}

void Metrics::RecordSearch(absl::Duration duration) {
  families_->search_duration.Observe(absl::ToDoubleSeconds(duration));
}

void Metrics::RecordBarrierWait(absl::Duration duration) {
  families_->barrier_wait.Observe(absl::ToDoubleSeconds(duration));
}

void Metrics::RecordOutcome(const std::string& tenant, const v1::Job& job, const v1::Plan& plan,
                            const v1::Outcome& outcome) {
  if (HasExecutedFlops(job, outcome) && plan.predicted_backward_cost() > 0) {
    families_->executed_to_predicted.Observe(static_cast<double>(outcome.executed_backward_flops()) /
                                             static_cast<double>(plan.predicted_backward_cost()));
  }
  families_->mismatched_steps.Increment(static_cast<double>(outcome.mismatched_steps()));
  families_->jobs.Add(tenant, std::string(absl::StripPrefix(job.name(), "jobs/")), StepsOf(job, plan, outcome),
                      absl::Now() - absl::UnixEpoch());
}

void Metrics::AddGauge(const std::string& name, const std::string& help, const Labels& labels,
                       std::function<double()> read) {
  families_->AddGauge(&NewGauge(families_->registry, name, help, labels), std::move(read));
}

std::string Metrics::Text() const {
  families_->ReadGauges();
  return prometheus::TextSerializer().Serialize(families_->registry.Collect());
}

}  // namespace greenplan
