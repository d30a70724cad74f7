#ifndef GREENPLAN_PLANNER_CORE_GRAPH_LIVE_SET_TREE_H_
#define GREENPLAN_PLANNER_CORE_GRAPH_LIVE_SET_TREE_H_

#include <cstdint>
#include <vector>

#include "planner/core/graph/item.h"
#include "planner/core/model_profile.h"

namespace greenplan {

// The live sets of a backward graph, as a tree that shares work between them. A plain value; BuildLiveSets
// (live_sets.h) makes it.
//
// Each node is a live set, and each child's live set contains its parent's. A node's items can be selected in its own
// live set and in those of all its descendants, at most once on each path from the root.
//
// A graph with too many live sets to enumerate ends in `relaxed` nodes; where even those would take too much memory,
// one below the root stands for all that is missing. In a relaxed node the ops that were not looked into cost nothing,
// so that what it can reach is an upper bound on its live sets.
struct LiveSetTree {
  // What the ops of one block add to a node's cost over its parent's.
  struct BlockCost {
    int block = kNone;
    int64_t cost = 0;
  };
  // A live set. Costs and bytes are of the whole live set, not of what it adds to its parent's.
  struct Node {
    int64_t cost = 0;           // Of the live set, in cost_unit.
    int64_t saved_bytes = 0;    // Of the live set.
    int subtree_end = 0;        // The node's subtree is nodes [its index, subtree_end).
    int items_begin = 0;        // Its own items are items [items_begin, next node's items_begin).
    int block_costs_begin = 0;  // With use_blocks: block_costs [this, next node's).
    bool relaxed = false;
  };

  std::vector<Node> nodes;  // In preorder; nodes[0] is the live set that the pinned tensors force, maybe empty.
  std::vector<Item> items;
  std::vector<Bundle> bundles;
  std::vector<BlockCost> block_costs;
  bool is_complete = true;  // No node is relaxed.

  // The memory that the tree holds, in bytes.
  int64_t MemoryBytes() const;
  // The memory that the tree and a search of it take together, in bytes.
  int64_t SearchBytes() const;

  // Where the node's own items end.
  int ItemsEnd(int node) const {
    return node + 1 < static_cast<int>(nodes.size()) ? nodes[node + 1].items_begin : static_cast<int>(items.size());
  }
  // Where the node's own block costs end.
  int BlockCostsEnd(int node) const {
    return node + 1 < static_cast<int>(nodes.size()) ? nodes[node + 1].block_costs_begin
                                                     : static_cast<int>(block_costs.size());
  }
};

// Which differences between live sets the tree keeps, and how large it may grow.
struct LiveSetOptions {
  bool use_saved_bytes = false;  // Whether ops that cost nothing but keep bytes matter.
  bool use_blocks = false;       // Contract within blocks alone and record what each block costs.
  int max_nodes = 1 << 15;       // From here on nodes are relaxed; real models have up to a few thousand.
  int max_items = 1 << 17;       // As max_nodes.
};

// What a search takes for each part of a tree, the tree included, in bytes: what the tree's size is bounded by.
// Measured: 32 of an item itself, 100 in two copies of its entry in a ranking, 40 while that is sorted, 90 for its
// prices.
inline constexpr int64_t kBytesPerItem = 262;
inline constexpr int64_t kBytesPerNode = 256;
inline constexpr int64_t kBytesPerOption = 80;  // Of a bundle.

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_GRAPH_LIVE_SET_TREE_H_
