#ifndef GREENPLAN_PLANNER_METRICS_METRICS_H_
#define GREENPLAN_PLANNER_METRICS_METRICS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "greenplan/v1/job.pb.h"
#include "greenplan/v1/plan.pb.h"

namespace greenplan {

// What the daemon measures, for Prometheus. Each replica tells about itself: a plan is counted by the one that made it.
//
//   greenplan_build_info                    gauge      version         1
//   greenplan_start_time_seconds            gauge                      when the daemon started, in Unix time
//   greenplan_rpc_duration_seconds          histogram  method, code    time from a call's start to its answer
//   greenplan_barrier_wait_seconds          histogram                  time a rank's call waited for its round's plan
//   greenplan_search_duration_seconds       histogram                  time that a search for a round's plan took
//   greenplan_plans_total                   counter    method, status  plans made for rounds
//   greenplan_plan_gap_ratio                histogram  method          how far a plan may be from the best one
//   greenplan_plan_budget_ratio             histogram  method          a plan's budget, of full fine-tuning's cost
//   greenplan_plan_missing_ranks_total      counter                    ranks that a plan was made without
//   greenplan_executed_to_predicted_ratio   histogram                  executed FLOPs of backward, of those predicted
//   greenplan_mismatched_steps_total        counter                    steps whose FLOPs differed from the predicted
//   greenplan_job_*_total                   counters   tenant, job     what ranks report of their steps: job_series.h
//   greenplan_store_duration_seconds        histogram  method, code    time that a call of the store took
//
// AddGauge adds what is not counted but looked at.
//
// Thread-safety: safe.
//
//   Metrics metrics(kVersion);
//   metrics.RecordRpc("GetJob", "OK", absl::Milliseconds(1));
//   const std::string page = metrics.Text();  // What /metrics answers.
class Metrics {
 public:
  using Labels = std::map<std::string, std::string>;

  // Registers all families. `version` is the daemon's, for greenplan_build_info.
  explicit Metrics(const std::string& version);
  ~Metrics();

  // Records a call that was answered. `method` is written as "GetJob", `code` as "NOT_FOUND". Each pair is a time
  // series, so both must come from fixed sets.
  void RecordRpc(absl::string_view method, absl::string_view code, absl::Duration duration);
  // Records a call of the store, whose method is written as "AddReport".
  void RecordStoreCall(absl::string_view method, absl::StatusCode code, absl::Duration duration);

  // Records a plan that this daemon has made and kept, without the reports of `num_missing_ranks` ranks.
  void RecordPlan(const v1::Plan& plan, int64_t num_missing_ranks);
  // Records how long a search for a round's plan took.
  void RecordSearch(absl::Duration duration);
  // Records how long a rank's call waited for its round's plan.
  void RecordBarrierWait(absl::Duration duration);

  // Records a new outcome of a round of `job`, whose plan was `plan`.
  void RecordOutcome(const std::string& tenant, const v1::Job& job, const v1::Plan& plan, const v1::Outcome& outcome);

  // Adds a gauge whose value Text gets from `read`, on any thread. `name` begins with "greenplan_"; gauges of the same
  // name differ in their labels.
  void AddGauge(const std::string& name, const std::string& help, const Labels& labels, std::function<double()> read);

  // Returns all metrics in Prometheus' text format.
  std::string Text() const;

 private:
  class Families;

  const std::unique_ptr<Families> families_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_METRICS_METRICS_H_
