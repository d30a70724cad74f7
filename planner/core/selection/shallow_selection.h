#ifndef GREENPLAN_PLANNER_CORE_SELECTION_SHALLOW_SELECTION_H_
#define GREENPLAN_PLANNER_CORE_SELECTION_SHALLOW_SELECTION_H_

#include <cstdint>
#include <vector>

#include "planner/core/knapsack/live_set_result.h"
#include "planner/core/model_profile.h"

namespace greenplan {

// A selection that can be had at once, for when a search is stopped. It goes from the loss down, makes every op live,
// and selects every tensor of positive value while the limits last. Its quality is not bounded; its time is.
//
// Thread-safe after construction.
class ShallowSelection {
 public:
  // live: [num_ops], closed, already paid for. values: [num_tensors], see Ranking. `profile` and `values` must outlive
  // this object. O(ops + edges + tensors).
  ShallowSelection(const ModelProfile& profile, std::vector<bool> live, const std::vector<int64_t>& values);

  // Returns a selection whose cost and bytes, those of the ops that it makes live included, keep both limits. The ops
  // of `live` do not count against the limits. The result's bound is the total of all positive values. O(ops +
  // tensors).
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
