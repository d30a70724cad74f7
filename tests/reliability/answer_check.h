#ifndef GREENPLAN_TESTS_RELIABILITY_ANSWER_CHECK_H_
#define GREENPLAN_TESTS_RELIABILITY_ANSWER_CHECK_H_

#include <string>
#include <vector>

#include "planner/client/planner_channel.h"
#include "tests/replicas/history.h"

namespace greenplan {

// Asks a planner again for what it, or the one before it on the same data, has answered: GetJob for a job; GetPlan and
// the same report once more for a plan; ListOutcomes and the same outcome once more for an outcome. Only the reports of
// even rounds are sent again, because that puts back one that was lost: History::FindFaults is to find the others in
// the store. Returns what differs from `answers`, in words; none if all is well. Thread-safe.
std::vector<std::string> FindChangedAnswers(const std::vector<History::Answer>& answers, PlannerChannel& planner);

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_RELIABILITY_ANSWER_CHECK_H_
