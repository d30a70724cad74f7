#ifndef GREENPLAN_PLANNER_CORE_TESTING_SUBSETS_H_
#define GREENPLAN_PLANNER_CORE_TESTING_SUBSETS_H_

#include <cstdint>
#include <limits>
#include <vector>

#include "planner/core/model_profile.h"

namespace greenplan {

// For tests: what a mask is worth, and the best mask found by trying all of them. values: [num_tensors].

// Returns the sum of the values of the tensors in `mask` ([num_tensors]).
int64_t ValueOf(const std::vector<int64_t>& values, const std::vector<bool>& mask);

// Returns the highest value of any mask whose backward cost and saved bytes keep the limits; 0 for training nothing.
// Takes time for each of 2^num_tensors masks.
int64_t BestOfAllSubsets(const ModelProfile& profile, const std::vector<int64_t>& values, int64_t backward_budget,
                         int64_t max_saved_bytes = std::numeric_limits<int64_t>::max());

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_TESTING_SUBSETS_H_
