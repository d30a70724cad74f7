#include "planner/service/test_rounds.h"

#include "gtest/gtest.h"
#include "planner/service/round_average.h"

namespace greenplan {

v1::Job CreateTestJob(JobDirectory& jobs, const std::string& tenant, const v1::Job& job) {
  v1::CreateJobRequest request;
  *request.mutable_job() = job;
  return jobs.CreateJob(tenant, request).value();
}

v1::Plan PlanTestRound(Store& store, JobDirectory& jobs, const JobKey& key,
                       const std::vector<v1::ImportanceReport>& reports) {
  const FoundJob found = jobs.Find(key).value();
  const int64_t round = reports.at(0).round();
  for (const v1::ImportanceReport& report : reports) {
    const RoundOpening opening = {.revision = found.job->job().profile_revision()};
    store.AddReport(found.id, report, opening).value();
  }
  const RoundAverage average = AverageRound(store, *found.job, found.id, round, {}).value();
  NewPlan plan = {.plan = found.job->PlanRound(round, average.measurements, nullptr, {}).value(),
                  .missing_ranks = average.missing_ranks};
  EXPECT_EQ(store.PutPlan(found.id, plan), absl::OkStatus());
  return plan.plan;
}

}  // namespace greenplan
