#ifndef GREENPLAN_PLANNER_CORE_KNAPSACK_RANKING_H_
#define GREENPLAN_PLANNER_CORE_KNAPSACK_RANKING_H_

#include <cstdint>
#include <vector>

#include "planner/core/graph/live_set_tree.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// The items of a live-set tree by falling value per cost. One order serves every live set: a live set takes the entries
// that are available to it in this order until its budget is full.
//
// An item with several options (a bundle) has one entry for each step along the concave hull of its options. A prefix
// of the order then holds a hull option of every bundle.
//
// Thread-safe after construction. O(items log items) time.
class Ranking {
 public:
  // A single tensor, or one step along the hull of a bundle.
  struct Entry {
    int64_t cost = 0;
    int64_t value = 0;  // > 0.
    int node = 0;       // Of the tree: selectable in the node's subtree.
    int tensor = kNone;
    int bundle = kNone;  // Index into bundles() if it is not a single tensor.
    int option = 0;      // Index into the bundle's options that the step leads to,
    int from = 0;        // and of the one it comes from.
  };
  // The options of a bundle worth taking: rising in cost and value, options[0] being to select none.
  struct Option {
    int64_t cost = 0;
    int64_t value = 0;
    uint32_t tensors = 0;
  };
  // A bundle of the tree, reduced to the options worth taking.
  struct RankedBundle {
    std::vector<Option> options;
    const std::vector<int>* tensors = nullptr;
  };

  // Ranks the items of `tree`. values: [num_tensors]; the positive ones add up to less than 2^62, and tensors of value
  // <= 0 are left out, because they are never selected. If the meter's stop function fires meanwhile, discard the
  // ranking. Running out of work does not affect it. REQUIRES: `tree` outlives the ranking.
  Ranking(const LiveSetTree& tree, const std::vector<int64_t>& values, WorkMeter& meter);

  const LiveSetTree& tree() const { return tree_; }
  const std::vector<Entry>& entries() const { return entries_; }
  const std::vector<RankedBundle>& bundles() const { return bundles_; }

  // The ranks of a node's own entries: ranks()[begin(node), begin(node + 1)).
  const std::vector<int>& ranks() const { return ranks_; }
  // Returns where the node's own entries begin in ranks(). `node` may be the number of nodes: there the last node's
  // end.
  int begin(int node) const { return node_begin_[node]; }

  // Returns the total of all positive values. No selection is worth more.
  int64_t total_value() const { return total_value_; }

  // Returns the memory that the ranking holds, in bytes, not counting its tree.
  int64_t MemoryBytes() const;

  // Returns whether the live set `node` can select the entry: the entry's own node is `node` or one of its ancestors.
  bool IsAvailable(const Entry& entry, int node) const {
    return entry.node <= node && node < tree_.nodes[entry.node].subtree_end;
  }

 private:
  // Adds an entry for each step along the concave hull of the bundle's options.
  void AddBundle(int node, const Bundle& bundle, const std::vector<int64_t>& values);
  // Sorts the entries by falling value per cost, exactly, and fills ranks_.
  void Sort(WorkMeter& meter);

  const LiveSetTree& tree_;
  std::vector<Entry> entries_;
  std::vector<RankedBundle> bundles_;
  std::vector<int> ranks_;
  std::vector<int> node_begin_;
  int64_t total_value_ = 0;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_KNAPSACK_RANKING_H_
