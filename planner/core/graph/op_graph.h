#ifndef GREENPLAN_PLANNER_CORE_GRAPH_OP_GRAPH_H_
#define GREENPLAN_PLANNER_CORE_GRAPH_OP_GRAPH_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "planner/core/graph/live_set_tree.h"
#include "planner/core/model_profile.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// A backward graph during contraction: what is left undecided below a live set.
//
// An op may be live only with all its parents; parents that are live already are left out. Ops are in topological
// order.
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

  int size() const { return static_cast<int>(cost.size()); }
  // The memory that this holds, in bytes.
  int64_t MemoryBytes() const;
  // Reserves memory, so that adding so many ops, parents and items does not move what is there.
  void Reserve(size_t num_ops, size_t num_parents, size_t num_items);
};

// Returns whether the tensor has an op and is not excluded. excluded: [num_tensors].
bool IsSelectable(const ModelProfile& profile, const std::vector<bool>& excluded, int tensor);

// Returns the item of a single tensor. REQUIRES: the tensor has an op.
Item ItemOf(const ModelProfile& profile, int tensor, const LiveSetOptions& options);

// Returns the graph of the ops that are not `live` ([num_ops]) and of the tensors that are not `excluded`
// ([num_tensors]). If the meter's stop function fires, discard the result. Running out of work units does not affect
// it.
OpGraph MakeOpGraph(const ModelProfile& profile, const std::vector<bool>& live, const std::vector<bool>& excluded,
                    const LiveSetOptions& options, WorkMeter& meter);

// Returns what is left of `graph` if the ops with keep[j] ([num_ops]) stay undecided and their other parents are live.
OpGraph Induced(const OpGraph& graph, const std::vector<bool>& keep);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_GRAPH_OP_GRAPH_H_
