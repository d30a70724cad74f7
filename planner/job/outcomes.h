#ifndef GREENPLAN_PLANNER_JOB_OUTCOMES_H_
#define GREENPLAN_PLANNER_JOB_OUTCOMES_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "greenplan/v1/job.pb.h"

namespace greenplan {

// The rules of what ranks report about the plans that they applied, whoever keeps it. Pure functions, thread-safe.

// Checks an outcome. InvalidArgument, naming the field below "outcome.", unless 0 <= rank < world_size, round >= 0,
// step_count >= 1, counts and measured amounts are >= 0, mismatched_steps <= step_count, and every number is finite.
absl::Status ValidateOutcome(const v1::Outcome& outcome, int32_t world_size);

// Returns whether two outcomes are the same, bit for bit.
bool SameOutcome(const v1::Outcome& a, const v1::Outcome& b);

// Returns the error AlreadyExists for a rank that has reported a different outcome for the round before.
absl::Status OutcomeIsTaken(const std::string& job_name, const v1::Outcome& outcome);
// Returns the error FailedPrecondition for an outcome of a round that has no plan.
absl::Status OutcomeWithoutPlan(const std::string& job_name, const v1::Outcome& outcome);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_JOB_OUTCOMES_H_
