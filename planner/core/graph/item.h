#ifndef GREENPLAN_PLANNER_CORE_GRAPH_ITEM_H_
#define GREENPLAN_PLANNER_CORE_GRAPH_ITEM_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "planner/core/model_profile.h"

namespace greenplan {

// What a selection chooses among: single tensors, and bundles of tensors that share ops of their own. Plain values.

// A group of tensors behind ops that serve these tensors alone. Which of the ops are live depends on which of the
// tensors are selected, so a bundle lists the cost of each subset.
struct Bundle {
  // What selecting one subset costs, its ops included.
  struct Option {
    int64_t cost = 0;         // In cost_unit.
    int64_t saved_bytes = 0;  // Kept for backward.
    uint32_t tensors = 0;     // Bit i is set iff Bundle::tensors[i] is selected.
  };
  std::vector<int> tensors;     // Indices into ModelProfile::tensors.
  std::vector<Option> options;  // One per nonempty subset.
};

// A tensor or a bundle that can be selected once the op it hangs on is live.
struct Item {
  int tensor = kNone;       // Index into ModelProfile::tensors; kNone if the item is a bundle.
  int bundle = kNone;       // Index into the bundles; kNone if the item is a tensor.
  int64_t cost = 0;         // Of the tensor, in cost_unit. A bundle has its costs in its options.
  int64_t saved_bytes = 0;  // Of the tensor.
  int block = kNone;        // Of its tensors' ops; kept apart only with LiveSetOptions::use_blocks.
};

// Returns the total value of the option's tensors, or nullopt if one of them has a value of 0 or less: an option
// without that tensor then costs no more and is worth no less. values: [num_tensors].
std::optional<int64_t> WorthOf(const Bundle& bundle, const Bundle::Option& option, const std::vector<int64_t>& values);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_GRAPH_ITEM_H_
