#ifndef GREENPLAN_PLANNER_CORE_GRAPH_CLOSED_SETS_H_
#define GREENPLAN_PLANNER_CORE_GRAPH_CLOSED_SETS_H_

#include <bit>
#include <cstdint>
#include <vector>

#include "planner/core/graph/op_graph.h"

namespace greenplan {

// A piece of the topological order that can be decided by itself: a run of ops that are not comparable with every other
// op, followed by one that is. Two ops are comparable if one of them reaches the other. The last stretch may end with
// the graph instead of a comparable op.
struct Stretch {
  int begin = 0;
  int end = 0;  // The comparable op, or num_ops.
};

// Splits the topological order at the ops that are comparable with all others. All earlier ops reach such an op, and it
// reaches all later ones. An op has this property if and only if every earlier op has a child at or before it and every
// later op has a parent at or after it, so one pass finds them all.
//
// Returns the stretches in topological order; together they cover [0, num_ops). O(ops + edges). Thread-safe.
std::vector<Stretch> SplitAtComparableOps(const OpGraph& graph);

// Enumerates the closed subsets of the ops [begin, end) of a graph, that is, the ways in which the ops of one stretch
// can be live. A subset is closed if it holds the parents of each of its ops; parents outside this range count as live.
// An op without cost and saved bytes is in every subset that holds its parents, because leaving it out saves nothing.
//
// A subset is a 64-bit mask in which bit i stands for op begin + i. Const methods are thread-safe. O(ops) memory.
class ClosedSets {
 public:
  // The most ops that a mask can hold.
  static constexpr int kMaxOps = 62;

  // Reads what it needs of `graph`, which need not outlive this object. REQUIRES: end - begin <= kMaxOps.
  ClosedSets(const OpGraph& graph, int begin, int end);

  // Returns the number of closed subsets, not counting the empty one, or limit + 1 if there are more than `limit`.
  // O(limit * ops).
  int Count(int limit) const;

  // Finds the next op at `from` or later that can be added to `set`, which is closed. Moves `from` behind that op and
  // sets `added` to it and the free ops that then join. Returns false if there is none. Starting with the empty set and
  // extending each set by ever later ops meets every closed subset.
  bool NextExtension(uint64_t set, int& from, uint64_t& added) const {
    while (from < size_) {
      const int op = from++;
      const uint64_t bit = uint64_t{1} << op;
      if ((set & bit) != 0 || (needs_[op] & ~set) != 0) continue;
      added = WithFreeOps(set | bit) & ~set;
      return true;
    }
    return false;
  }

 private:
  uint64_t WithFreeOps(uint64_t set) const;

  int size_;
  std::vector<uint64_t> needs_;  // [size_] The parents within the stretch.
  uint64_t free_ = 0;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_GRAPH_CLOSED_SETS_H_
