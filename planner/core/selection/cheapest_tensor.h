#ifndef GREENPLAN_PLANNER_CORE_SELECTION_CHEAPEST_TENSOR_H_
#define GREENPLAN_PLANNER_CORE_SELECTION_CHEAPEST_TENSOR_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "planner/core/model_profile.h"

namespace greenplan {

// What training one tensor alone takes at least: the figures that tell why a plan is empty.
struct CheapestTensor {
  // Backward cost of the candidate that costs least; nullopt without candidates.
  std::optional<int64_t> backward_cost;
  // Least saved bytes among the candidates that cost at most the budget; nullopt if none does.
  std::optional<int64_t> saved_bytes;
};

// `candidates` is [num_tensors]; each has an op. Pure, thread-safe. Cost: O(ops + edges + tensors), times the number of
// candidates whose cost a bound along single paths does not settle: one on a chain, a few on a network.
CheapestTensor FindCheapestTensor(const ModelProfile& profile, const std::vector<bool>& candidates,
                                  int64_t backward_budget);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_SELECTION_CHEAPEST_TENSOR_H_
