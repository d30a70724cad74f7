#ifndef GREENPLAN_PLANNER_CORE_GRAPH_OP_GRAPH_H_
#define GREENPLAN_PLANNER_CORE_GRAPH_OP_GRAPH_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "planner/core/graph/live_set_tree.h"
#include "planner/core/model_profile.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// A backward graph during contraction. It holds only what is still undecided below a live set.
//
// An op can be live only if all its parents are; parents that are already live are left out. Ops are in topological
// order from the loss, so every parent has a lower index.
struct OpGraph {
  // An item and the op whose being live makes it selectable.
  struct HungItem {
    Item item;
    int op = kNone;  // kNone: selectable at once.
  };

  std::vector<int64_t> cost;         // [num_ops] Of the op and of the edges into it.
  std::vector<int64_t> saved_bytes;  // [num_ops]
  // [num_ops] With use_blocks: `cost` by block; an edge's is that of the op which holds it. Empty otherwise.
  std::vector<std::vector<LiveSetTree::BlockCost>> block_costs;
  std::vector<int> parents_begin;  // [num_ops + 1] Into `parents`.
  std::vector<int> parents;        // Ascending and distinct per op.
  std::vector<HungItem> items;

  // Returns the number of ops, num_ops.
  int size() const { return static_cast<int>(cost.size()); }
  // Returns the memory that this graph holds, in bytes.
  int64_t MemoryBytes() const;
  // Reserves memory, so that adding this many ops, parents and items does not move what is already there.
  void Reserve(size_t num_ops, size_t num_parents, size_t num_items);
};

// Returns whether the tensor has an op and is not excluded. excluded: [num_tensors].
bool IsSelectable(const ModelProfile& profile, const std::vector<bool>& excluded, int tensor);

// Returns the item of a single tensor. REQUIRES: the tensor has an op.
Item ItemOf(const ModelProfile& profile, int tensor, const LiveSetOptions& options);

// Returns the graph of the ops that are not `live` ([num_ops]) and of the tensors that are not `excluded`
// ([num_tensors]). O(ops + edges + tensors). If the meter's stop function fires, discard the result. Running out of
// work units does not affect it. REQUIRES: `profile` is valid and `live` is closed.
OpGraph MakeOpGraph(const ModelProfile& profile, const std::vector<bool>& live, const std::vector<bool>& excluded,
                    const LiveSetOptions& options, WorkMeter& meter);

// Returns the part of `graph` that is still to be decided if the ops with keep[j] ([num_ops]) stay undecided and their
// other parents are live. Items that hang on other ops, or on none, are left out. O(ops + edges + items).
OpGraph Induced(const OpGraph& graph, const std::vector<bool>& keep);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_GRAPH_OP_GRAPH_H_
