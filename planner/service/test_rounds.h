#ifndef GREENPLAN_PLANNER_SERVICE_TEST_ROUNDS_H_
#define GREENPLAN_PLANNER_SERVICE_TEST_ROUNDS_H_

#include <string>
#include <vector>

#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/job.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "planner/service/job_directory.h"
#include "planner/store/store.h"

namespace greenplan {

// Functions that put jobs and planned rounds into a store without the barrier that makes them in a daemon, for tests. A
// failure ends the test.

// Creates the job and returns it as it is kept.
v1::Job CreateTestJob(JobDirectory& jobs, const std::string& tenant, const v1::Job& job);

// Keeps `reports`, which are of one round, with the plan that rests on all of them. Returns the plan.
v1::Plan PlanTestRound(Store& store, JobDirectory& jobs, const JobKey& key,
                       const std::vector<v1::ImportanceReport>& reports);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_TEST_ROUNDS_H_
