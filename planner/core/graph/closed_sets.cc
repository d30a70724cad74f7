#include "planner/core/graph/closed_sets.h"

#include <algorithm>

#include "absl/base/macros.h"

namespace greenplan {

std::vector<Stretch> SplitAtComparableOps(const OpGraph& graph) {
  const int n = graph.size();
  std::vector<int> first_child(n, n);
  std::vector<int> latest_parent_needed(n + 1, n);  // Minimum over later ops of their last parent.
  for (int op = n; op-- > 0;) {
    int last_parent = kNone;
    for (int i = graph.parents_begin[op]; i < graph.parents_begin[op + 1]; ++i) {
      last_parent = std::max(last_parent, graph.parents[i]);
      first_child[graph.parents[i]] = op;
    }
    latest_parent_needed[op] = std::min(latest_parent_needed[op + 1], last_parent);
  }
  std::vector<Stretch> stretches;
  int begin = 0;
  int latest_child = kNone;  // Maximum over earlier ops of their first child.
  for (int op = 0; op < n; ++op) {
    if (latest_child <= op && latest_parent_needed[op + 1] >= op) {
      stretches.push_back({begin, op});
      begin = op + 1;
    }
    latest_child = std::max(latest_child, first_child[op]);
  }
  if (begin < n) stretches.push_back({begin, n});
  return stretches;
}

ClosedSets::ClosedSets(const OpGraph& graph, int begin, int end) : size_(end - begin), needs_(size_, 0) {
  ABSL_ASSERT(size_ <= kMaxOps);
  for (int op = begin; op < end; ++op) {
    for (int i = graph.parents_begin[op]; i < graph.parents_begin[op + 1]; ++i) {
      if (graph.parents[i] >= begin) needs_[op - begin] |= uint64_t{1} << (graph.parents[i] - begin);
    }
    if (graph.cost[op] == 0 && graph.saved_bytes[op] == 0) free_ |= uint64_t{1} << (op - begin);
  }
}

int ClosedSets::Count(int limit) const {
  struct Place {
    uint64_t set = 0;
    int next = 0;
  };
  int count = 0;
  std::vector<Place> path(1);
  while (!path.empty() && count <= limit) {
    uint64_t added = 0;
    if (!NextExtension(path.back().set, path.back().next, added)) {
      path.pop_back();
      continue;
    }
    ++count;
    path.push_back({path.back().set | added, path.back().next});
  }
  return count;
}

uint64_t ClosedSets::WithFreeOps(uint64_t set) const {
  for (uint64_t rest = free_ & ~set; rest != 0; rest &= rest - 1) {
    const int op = std::countr_zero(rest);
    if ((needs_[op] & ~set) == 0) set |= uint64_t{1} << op;
  }
  return set;
}

}  // namespace greenplan
