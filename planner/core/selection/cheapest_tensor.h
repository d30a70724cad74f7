#ifndef GREENPLAN_PLANNER_CORE_SELECTION_CHEAPEST_TENSOR_H_
#define GREENPLAN_PLANNER_CORE_SELECTION_CHEAPEST_TENSOR_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "planner/core/model_profile.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// The least that training one tensor alone takes. The message of an empty plan quotes these figures.
struct CheapestTensor {
  // Backward cost of the candidate that costs least; nullopt without candidates.
  std::optional<int64_t> backward_cost;
  // Least saved bytes among the candidates that cost at most the budget; nullopt if none does.
  std::optional<int64_t> saved_bytes;
  // The meter ran out: each figure is a lower bound on what it says.
  bool is_cut_short = false;
};

// Returns the figures for the tensors in `candidates` ([num_tensors]; each has an op). backward_budget is in cost_unit.
// Thread-safe.
//
// O(ops + edges + tensors), times the number of candidates whose cost a bound along single paths does not settle: one
// on a chain, a few on a network, and as many as the meter allows elsewhere.
CheapestTensor FindCheapestTensor(const ModelProfile& profile, const std::vector<bool>& candidates,
                                  int64_t backward_budget, WorkMeter& meter);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_SELECTION_CHEAPEST_TENSOR_H_
