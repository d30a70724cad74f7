#include "benchmarks/service/planning_time.h"

#include <chrono>
#include <utility>

#include "absl/time/clock.h"
#include "benchmarks/service/check.h"

namespace greenplan {

PlanningTime::PlanningTime(const Workload* workload) : workload_(*workload) {
  auto job = PreparedJob::Create(NewJob(workload_.Job("jobs/planning"), absl::Now()));
  Check(job.ok(), job.status().ToString());
  job_ = *std::move(job);
}

double PlanningTime::PlanNextRound() {
  const v1::ImportanceReport report = workload_.Report(next_round_++);
  const auto start = std::chrono::steady_clock::now();
  const absl::StatusOr<Measurements> measurements = job_->ReadReport(report);
  Check(measurements.ok(), measurements.status().ToString());
  const absl::StatusOr<v1::Plan> plan = job_->PlanRound(report.round(), *measurements, nullptr, CallLimits());
  const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
  Check(plan.ok(), plan.status().ToString());
  return time.count();
}

}  // namespace greenplan
