#ifndef GREENPLAN_PLANNER_CORE_SELECTION_SHALLOW_SELECTION_H_
#define GREENPLAN_PLANNER_CORE_SELECTION_SHALLOW_SELECTION_H_

#include <cstdint>
#include <vector>

#include "planner/core/knapsack/live_set_result.h"
#include "planner/core/model_profile.h"

namespace greenplan {

// What can be had at once, where a search is stopped: from the loss down, every op made live and every tensor worth it
// selected while the limits last.
class ShallowSelection {
 public:
  // live: [num_ops], closed, paid already; values: [num_tensors], see Ranking. `profile` and `values` must outlive
  // this. O(ops + edges + tensors).
  ShallowSelection(const ModelProfile& profile, std::vector<bool> live, const std::vector<int64_t>& values);

  // The limits are for what is not live. The bound is what all tensors are worth. O(ops + tensors).
  LiveSetResult Select(int64_t budget, int64_t max_saved_bytes) const;

 private:
  const ModelProfile& profile_;
  const std::vector<int64_t>& values_;
  const std::vector<bool> live_;
  std::vector<int64_t> costs_;  // [num_ops] Of making an op live once all before it are.
  std::vector<int> tensors_;    // Those worth something, by op.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_SELECTION_SHALLOW_SELECTION_H_
