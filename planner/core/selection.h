#ifndef GREENPLAN_PLANNER_CORE_SELECTION_H_
#define GREENPLAN_PLANNER_CORE_SELECTION_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "planner/core/model_profile.h"
#include "planner/core/plan.h"

namespace greenplan {

// Which tensors to train: maximise the sum of importance over S subject to cost(S) <= backward_budget and, if given,
// saved_bytes(S) <= max_saved_bytes, S holding every tensor of kAlways and none of kNever.

enum class Pin : uint8_t { kFree, kAlways, kNever };

struct SelectionProblem {
  const std::vector<double>* importance = nullptr;  // [num_tensors], finite.
  std::vector<Pin> pins;                            // [num_tensors]; a tensor without an op is kNever.
  int64_t backward_budget = 0;                      // >= the cost of the pinned tensors alone.
  std::optional<int64_t> max_saved_bytes;           // >= the bytes of the pinned tensors alone.
  StopFunction should_stop;                         // Optional.
};

struct SelectionResult {
  std::vector<bool> trainable;  // [num_tensors]
  double upper_bound = 0;       // No feasible selection has a higher sum of importance.
  bool proved = false;          // The selection is optimal.
};

class SelectionSolver {
 public:
  // REQUIRES: `profile` is valid and outlives the solver.
  explicit SelectionSolver(const ModelProfile& profile);

  SelectionResult Solve(const SelectionProblem& problem) const;

 private:
  const ModelProfile& profile_;
  std::vector<int64_t> op_cost_;  // [num_ops] cost + the cost of the edges into the op: what it adds when live.
  std::vector<std::vector<int>> parents_;  // [num_ops]
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_SELECTION_H_
