#ifndef GREENPLAN_PLANNER_CORE_LIVE_SETS_H_
#define GREENPLAN_PLANNER_CORE_LIVE_SETS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "planner/core/model_profile.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// The live sets of a backward graph worth looking at, as a tree that shares work between them.
//
// Whatever is selected, the live ops are closed: with an op, all ops between it and the loss are live. Given the live
// set, selecting tensors is a plain knapsack. Backward graphs of real models have few live sets once three things are
// contracted: ops that cost nothing join their parent, an op that serves one tensor alone is added to the tensor's cost
// (to those of a `Bundle` of few tensors), and an op that is comparable with all others ends every choice above it. A
// node of the tree is a live set; its children hold it. What hangs on the tree: an item is a tensor, or a bundle of
// tensors, that a node and all its descendants can select at the item's cost, once per path.
//
// A graph too entangled to be enumerated ends in `relaxed` nodes: there the ops that were not looked into cost nothing,
// which bounds what the node's live sets can reach.
struct LiveSetTree {
  // Tensors behind ops of their own. options[i] is what selecting the subset `tensors` of them costs; the empty one is
  // left out.
  struct Option {
    int64_t cost = 0;
    int64_t saved_bytes = 0;
    uint32_t tensors = 0;  // Bit i: Bundle::tensors[i].
  };
  struct Bundle {
    std::vector<int> tensors;
    std::vector<Option> options;
  };
  struct Item {
    int tensor = kNone;  // Or kNone, and then `bundle` counts.
    int bundle = kNone;
    int64_t cost = 0;  // Of the tensor.
    int64_t saved_bytes = 0;
    int block = kNone;  // Of its tensors' ops; kept apart only with LiveSetOptions::use_blocks.
  };
  // What the ops of one block add to a node's cost over its parent's.
  struct BlockCost {
    int block = kNone;
    int64_t cost = 0;
  };
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

  int ItemsEnd(int node) const {
    return node + 1 < static_cast<int>(nodes.size()) ? nodes[node + 1].items_begin : static_cast<int>(items.size());
  }
  int BlockCostsEnd(int node) const {
    return node + 1 < static_cast<int>(nodes.size()) ? nodes[node + 1].block_costs_begin
                                                     : static_cast<int>(block_costs.size());
  }
};

// What the option's tensors are worth together; none if one of them is worth nothing. values: [num_tensors].
std::optional<int64_t> WorthOf(const LiveSetTree::Bundle& bundle, const LiveSetTree::Option& option,
                               const std::vector<int64_t>& values);

struct LiveSetOptions {
  bool use_saved_bytes = false;  // Whether ops that cost nothing but keep bytes matter.
  bool use_blocks = false;       // Contract within blocks alone and record what each block costs.
  int max_nodes = 1 << 15;       // From here on nodes are relaxed; real models have up to a few thousand.
  int max_items = 1 << 17;       // As max_nodes.
};

// The tree for `profile`. `live` ([num_ops], closed) is live whatever is selected and is paid in nodes[0]. A tensor is
// left out if it has no op or if excluded[k] ([num_tensors]). What is not looked into when the meter runs out ends in
// relaxed nodes; all of it in one, if the meter is stopped. REQUIRES: `profile` is valid.
LiveSetTree BuildLiveSets(const ModelProfile& profile, const std::vector<bool>& live, const std::vector<bool>& excluded,
                          const LiveSetOptions& options, WorkMeter& meter);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_LIVE_SETS_H_
