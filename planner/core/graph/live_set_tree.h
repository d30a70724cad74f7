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

    // In cost_unit.
    int64_t cost = 0;
  };

  // A live set. Costs and bytes are of the whole live set, not of what it adds to its parent's.
  struct Node {
    // The cost of all ops of the live set, in cost_unit, and the bytes that they keep for backward.
    int64_t cost = 0;
    int64_t saved_bytes = 0;

    // The nodes [its own index, subtree_end) are the node and all its descendants.
    int subtree_end = 0;

    // The node's own items are items [items_begin, ItemsEnd(node)).
    int items_begin = 0;

    // With use_blocks, the node's own block costs are block_costs [block_costs_begin, BlockCostsEnd(node)).
    int block_costs_begin = 0;

    // Whether the node stands for live sets that were not enumerated.
    bool relaxed = false;
  };

  // In preorder. nodes[0] is the live set that the pinned tensors force; it may be empty.
  std::vector<Node> nodes;
  std::vector<Item> items;
  std::vector<Bundle> bundles;
  std::vector<BlockCost> block_costs;

  // Whether no node is relaxed.
  bool is_complete = true;

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
  // Whether to tell live sets apart that differ only in the bytes that they keep, for a limit on these.
  bool use_saved_bytes = false;

  // Whether to contract only within blocks, and to record what each block costs.
  bool use_blocks = false;

  // From so many nodes or items on, the rest of the graph is relaxed. Real models have up to a few thousand nodes.
  int max_nodes = 1 << 15;
  int max_items = 1 << 17;
};

// What a search takes for each part of a tree, the tree included, in bytes: what the tree's size is bounded by.
// Measured: 32 of an item itself, 100 in two copies of its entry in a ranking, 40 while that is sorted, 90 for its
// prices.
inline constexpr int64_t kBytesPerItem = 262;
inline constexpr int64_t kBytesPerNode = 256;
inline constexpr int64_t kBytesPerOption = 80;  // Of a bundle.

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_GRAPH_LIVE_SET_TREE_H_
