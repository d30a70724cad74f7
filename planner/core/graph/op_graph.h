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
  void Reserve(size_t num_ops, size_t num_parents, size_t num_items);
};

// Whether the tensor has an op and is not excluded[k] ([num_tensors]).
bool IsSelectable(const ModelProfile& profile, const std::vector<bool>& excluded, int tensor);

// The item of a tensor alone. REQUIRES: it has an op.
Item ItemOf(const ModelProfile& profile, int tensor, const LiveSetOptions& options);

// The graph of the ops that are not `live` and of the tensors that are not `excluded`. Of no use if the meter is
// stopped meanwhile; that it runs out changes nothing.
OpGraph MakeOpGraph(const ModelProfile& profile, const std::vector<bool>& live, const std::vector<bool>& excluded,
                    const LiveSetOptions& options, WorkMeter& meter);

// What is left of `graph` if the ops with keep[j] ([num_ops]) stay undecided and their other parents are live.
OpGraph Induced(const OpGraph& graph, const std::vector<bool>& keep);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_GRAPH_OP_GRAPH_H_
