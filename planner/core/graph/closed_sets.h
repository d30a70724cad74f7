#ifndef GREENPLAN_PLANNER_CORE_GRAPH_CLOSED_SETS_H_
#define GREENPLAN_PLANNER_CORE_GRAPH_CLOSED_SETS_H_

#include <bit>
#include <cstdint>
#include <vector>

#include "planner/core/graph/op_graph.h"

namespace greenplan {

// An op that is comparable with every other op, or the end of the graph, and the ops before it that are not.
struct Stretch {
  int begin = 0;
  int end = 0;  // The comparable op, or num_ops.
};

// Splits the topological order at the ops that are comparable with all others: those that all earlier ops reach and
// that reach all later ones, which is so iff every earlier op has a child up to it, every later one a parent from it
// on. O(ops + edges).
std::vector<Stretch> SplitAtComparableOps(const OpGraph& graph);

// The closed subsets of ops [begin, end) of a graph, whose other parents are live, one by one. An op that costs nothing
// is in every subset that holds its parents. Subsets are bits, counted from `begin`.
class ClosedSets {
 public:
  static constexpr int kMaxOps = 62;

  // REQUIRES: end - begin <= kMaxOps.
  ClosedSets(const OpGraph& graph, int begin, int end);

  // Subsets other than the empty one, counted up to limit + 1.
  int Count(int limit) const;

  // The next way to extend `set` by one op at `from` or later and by the free ops that then join: moves `from` behind
  // that op and sets `added`. False if there is none.
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
