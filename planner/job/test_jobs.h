#ifndef GREENPLAN_PLANNER_JOB_TEST_JOBS_H_
#define GREENPLAN_PLANNER_JOB_TEST_JOBS_H_

#include <cstdint>
#include <string>

#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/job.pb.h"
#include "greenplan/v1/profile.pb.h"
#include "planner/job/planning.h"

namespace greenplan {

// A job small enough to plan by hand: a chain of four ops with one tensor each. Forward costs 7, full backward 14. Half
// of backward, 7, is spent best on tensors 1 and 2 (value 5), with TestReport's importance.

v1::ModelProfile TestProfile();
// A job of one rank for TestProfile, with half of backward as its budget.
v1::Job TestJob(const std::string& name);
// A report for TestProfile, from rank 0.
v1::ImportanceReport TestReport(int64_t round);
// An outcome of `round`, from rank 0.
v1::Outcome TestOutcome(int64_t round);
// v1.Plan.trainable of the best plan: tensors 1 and 2.
inline constexpr char kTestPlanTrainable[] = "\x06";

// A job whose search is long enough to be stopped many times: a chain of 3,000 ops with irregular costs.
v1::Job LongTestJob(const std::string& name);
// A report for LongTestJob, from rank 0.
v1::ImportanceReport LongTestReport(int64_t round);
// The limits of a caller with 20 ms left, on a clock that moves on by 1 ms whenever it is asked.
CallLimits TestLimitsInAHurry();

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_JOB_TEST_JOBS_H_
