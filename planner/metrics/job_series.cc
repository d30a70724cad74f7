#include "planner/metrics/job_series.h"

#include <algorithm>

namespace greenplan {
namespace {

constexpr char kOthers[] = "(others)";

prometheus::Family<prometheus::Counter>& NewFamily(prometheus::Registry& registry, const std::string& name,
                                                   const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

}  // namespace

JobSeries::JobSeries(prometheus::Registry* registry, int max_jobs, absl::Duration idle_time)
    : max_jobs_(max_jobs),
      idle_time_(idle_time),
      steps_(NewFamily(*registry, "greenplan_job_steps_total", "Training steps that ranks have reported outcomes of.")),
      seconds_(
          NewFamily(*registry, "greenplan_job_step_seconds_total", "Seconds that these steps took, over all ranks.")),
      joules_(
          NewFamily(*registry, "greenplan_job_energy_joules_total", "Joules that these steps took, over all ranks.")),
      predicted_backward_flops_(
          NewFamily(*registry, "greenplan_job_predicted_backward_flops_total",
                    "FLOPs of backward that the plans predicted, for the steps whose executed FLOPs are reported.")),
      executed_backward_flops_(NewFamily(*registry, "greenplan_job_executed_backward_flops_total",
                                         "FLOPs of backward that ranks have reported as executed.")),
      others_(NewSeries({kOthers, kOthers})) {}

void JobSeries::Add(const std::string& tenant, const std::string& job, const Steps& steps, absl::Duration now) {
  absl::MutexLock lock(&mutex_);
  Series& series = Find({tenant, job}, now);
  series.last_report = now;
  series.steps->Increment(steps.count);
  series.seconds->Increment(steps.seconds);
  series.joules->Increment(steps.joules);
  series.predicted_backward_flops->Increment(steps.predicted_backward_flops);
  series.executed_backward_flops->Increment(steps.executed_backward_flops);
}

JobSeries::Series& JobSeries::Find(const Key& key, absl::Duration now) {
  if (const auto found = jobs_.find(key); found != jobs_.end()) return found->second;
  if (!MakeRoom(now)) return others_;
  return jobs_.emplace(key, NewSeries(key)).first->second;
}

bool JobSeries::MakeRoom(absl::Duration now) {
  if (jobs_.size() < static_cast<size_t>(max_jobs_)) return true;
  const auto silent = std::min_element(jobs_.begin(), jobs_.end(), [](const auto& a, const auto& b) {
    return a.second.last_report < b.second.last_report;
  });
  if (now - silent->second.last_report <= idle_time_) return false;
  Remove(silent->second);
  jobs_.erase(silent);
  return true;
}

JobSeries::Series JobSeries::NewSeries(const Key& key) {
  const prometheus::Labels labels = {{"tenant", key.first}, {"job", key.second}};
  return {.steps = &steps_.Add(labels),
          .seconds = &seconds_.Add(labels),
          .joules = &joules_.Add(labels),
          .predicted_backward_flops = &predicted_backward_flops_.Add(labels),
          .executed_backward_flops = &executed_backward_flops_.Add(labels),
          .last_report = absl::ZeroDuration()};
}

void JobSeries::Remove(const Series& series) {
  steps_.Remove(series.steps);
  seconds_.Remove(series.seconds);
  joules_.Remove(series.joules);
  predicted_backward_flops_.Remove(series.predicted_backward_flops);
  executed_backward_flops_.Remove(series.executed_backward_flops);
}

}  // namespace greenplan
