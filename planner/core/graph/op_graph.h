#ifndef GREENPLAN_PLANNER_CORE_GRAPH_OP_GRAPH_H_
#define GREENPLAN_PLANNER_CORE_GRAPH_OP_GRAPH_H_

#include <cstddef>
#include <cstdint>
#include <memory>
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
  // With use_blocks: the costs by block of the ops of the graph that this one was made from, and which of them each op
  // is, [num_ops]. Many blocks may meet in one op, so smaller graphs share the table. Null and empty otherwise.
  std::shared_ptr<const std::vector<std::vector<LiveSetTree::BlockCost>>> block_cost_table;
  std::vector<int> block_cost_rows;
  std::vector<int> parents_begin;  // [num_ops + 1] Into `parents`.
  std::vector<int> parents;        // Ascending and distinct per op.
  std::vector<HungItem> items;

  // Returns the number of ops, num_ops.
  int size() const { return static_cast<int>(cost.size()); }
  // Returns whether costs are known by block.
  bool has_blocks() const { return block_cost_table != nullptr; }
  // Returns `cost` of an op by block; an edge's is that of the op which holds it. REQUIRES: has_blocks().
  const std::vector<LiveSetTree::BlockCost>& BlockCostsOf(int op) const {
    return (*block_cost_table)[block_cost_rows[op]];
  }
  // Adds an op that costs the same as an op of `from`, without parents.
  void AddOpOf(const OpGraph& from, int op);
  // Returns the memory that this graph holds, in bytes. Block costs count in full in each graph that shares them.
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

// Returns the same for the ops [begin, end). items: the indices of the items that hang on these ops, ascending. O(ops +
// edges + items) of that part alone.
OpGraph Section(const OpGraph& graph, int begin, int end, const std::vector<int>& items);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_GRAPH_OP_GRAPH_H_
