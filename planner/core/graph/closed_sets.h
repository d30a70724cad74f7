#ifndef GREENPLAN_PLANNER_CORE_GRAPH_CLOSED_SETS_H_
#define GREENPLAN_PLANNER_CORE_GRAPH_CLOSED_SETS_H_

#include <bit>
#include <cstdint>
#include <vector>

#include "planner/core/graph/op_graph.h"

namespace greenplan {

// A part of the topological order: an op that is comparable with every other op, and the ops since the one before it,
// which are not. Two ops are comparable if one of them reaches the other. The last stretch may end with the graph.
struct Stretch {
  int begin = 0;
  int end = 0;  // The comparable op, or num_ops.
};

// Splits the topological order at the ops that are comparable with all others. All earlier ops reach such an op, and it
// reaches all later ones. That holds if and only if every earlier op has a child at or before it, and every later op
// has a parent at or after it. O(ops + edges).
std::vector<Stretch> SplitAtComparableOps(const OpGraph& graph);

// Enumerates the closed subsets of the ops [begin, end) of a graph; their parents outside this range count as live. An
// op that costs nothing is in every subset that holds its parents. In a subset, bit i stands for op begin + i. Const
// methods are thread-safe.
class ClosedSets {
 public:
  static constexpr int kMaxOps = 62;

  // REQUIRES: end - begin <= kMaxOps.
  ClosedSets(const OpGraph& graph, int begin, int end);

  // Returns the number of closed subsets, the empty one not counted; limit + 1 if there are more than `limit`.
  int Count(int limit) const;

  // Finds the next op at `from` or later that can be added to `set`. Moves `from` behind that op and sets `added` to it
  // and the free ops that then join. Returns false if there is none.
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
