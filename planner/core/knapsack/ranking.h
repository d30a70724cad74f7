#ifndef GREENPLAN_PLANNER_CORE_KNAPSACK_RANKING_H_
#define GREENPLAN_PLANNER_CORE_KNAPSACK_RANKING_H_

#include <cstdint>
#include <span>
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
    int node = 0;       // Of the tree: the entry is selectable in the node's subtree,
    int node_end = 0;   // which is the nodes [node, node_end).
    int tensor = kNone;
    int bundle = kNone;  // Index into bundles() if it is not a single tensor.
    int option = 0;      // Index into the bundle's options that the step leads to,
    int from = 0;        // and of the one it comes from.

    // Returns whether the live set `live_set` can select the entry: `node` is that live set or one of its ancestors.
    bool IsAvailableTo(int live_set) const { return node <= live_set && live_set < node_end; }
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

  // Returns the ranks of a node's own entries.
  std::span<const int> RanksOf(int node) const {
    return {ranks_.data() + node_begin_[node], ranks_.data() + node_begin_[node + 1]};
  }

  // Returns the total of all positive values. No selection is worth more.
  int64_t total_value() const { return total_value_; }

  // Returns the memory that the ranking holds, in bytes, not counting its tree.
  int64_t MemoryBytes() const;

 private:
  // Adds an entry for each step along the concave hull of the bundle's options.
  void AddBundle(int node, const Bundle& bundle, const std::vector<int64_t>& values);
  // Sorts the entries by falling value per cost, exactly, and fills ranks_.
  void Sort(WorkMeter& meter);

  const LiveSetTree& tree_;
  std::vector<Entry> entries_;
  std::vector<RankedBundle> bundles_;
  std::vector<int> ranks_;       // Of the entries in the order of the nodes that they belong to.
  std::vector<int> node_begin_;  // [nodes + 1] Where those of each node begin in ranks_.
  int64_t total_value_ = 0;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_KNAPSACK_RANKING_H_
