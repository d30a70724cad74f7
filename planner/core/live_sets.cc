#include "planner/core/live_sets.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/base/macros.h"
#include "planner/core/op_graph.h"

namespace greenplan {
namespace {

// A stretch of ops with at most this many closed subsets is enumerated as it stands; others are split and contracted
// first, which leaves fewer.
constexpr int kFewClosedSets = 64;
// Bits of a word: larger stretches are always split.
constexpr int kMaxStretch = 62;
// Above this the reachability of all pairs is not computed.
constexpr int kMaxPivotOps = 6000;

// An op that is comparable with every other op, or the end of the graph, and the ops before it that are not.
struct Stretch {
  int begin = 0;
  int end = 0;  // The comparable op, or num_ops.
};

// Splits the topological order at the ops that are comparable with all others: those that all earlier ops reach and
// that reach all later ones, which is so iff every earlier op has a child up to it, every later one a parent from it
// on.
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

// The closed subsets of ops [begin, end) of a graph, whose other parents are live, one by one. An op that costs nothing
// is in every subset that holds its parents.
class ClosedSets {
 public:
  ClosedSets(const OpGraph& graph, int begin, int end) : size_(end - begin), needs_(size_, 0) {
    ABSL_ASSERT(size_ <= kMaxStretch);
    for (int op = begin; op < end; ++op) {
      for (int i = graph.parents_begin[op]; i < graph.parents_begin[op + 1]; ++i) {
        if (graph.parents[i] >= begin) needs_[op - begin] |= uint64_t{1} << (graph.parents[i] - begin);
      }
      if (graph.cost[op] == 0 && graph.saved_bytes[op] == 0) free_ |= uint64_t{1} << (op - begin);
    }
  }

  // Subsets other than the empty one, counted up to limit + 1.
  int Count(int limit) const {
    int count = 0;
    CountFrom(0, 0, limit, count);
    return count;
  }

  // Calls visit(added) for each way to extend `set` by one op at `from` or later and by the free ops that then join,
  // with the op's position.
  template <typename Visit>
  void ForEachExtension(uint64_t set, int from, const Visit& visit) const {
    for (int op = from; op < size_; ++op) {
      const uint64_t bit = uint64_t{1} << op;
      if ((set & bit) != 0 || (needs_[op] & ~set) != 0) continue;
      visit(op, WithFreeOps(set | bit) & ~set);
    }
  }

 private:
  uint64_t WithFreeOps(uint64_t set) const {
    for (uint64_t rest = free_ & ~set; rest != 0; rest &= rest - 1) {
      const int op = std::countr_zero(rest);
      if ((needs_[op] & ~set) == 0) set |= uint64_t{1} << op;
    }
    return set;
  }

  void CountFrom(uint64_t set, int from, int limit, int& count) const {
    ForEachExtension(set, from, [&](int op, uint64_t added) {
      if (count > limit) return;
      ++count;
      CountFrom(set | added, op + 1, limit, count);
    });
  }

  int size_;
  std::vector<uint64_t> needs_;  // [size_] The parents within the stretch.
  uint64_t free_ = 0;
};

class Builder {
 public:
  Builder(const LiveSetOptions& options, LiveSetTree& tree) : options_(options), tree_(tree) {}

  // Adds the live sets that choose among `graph` on top of the newest node.
  void Expand(const OpGraph& raw) {
    const OpGraph graph = Contract(raw, tree_.bundles);
    const ItemsByOp hung(graph);
    AddItems(hung, kNone);
    if (graph.size() == 0) return;
    const std::vector<Stretch> stretches = SplitAtComparableOps(graph);
    if (stretches.size() == 1 && stretches.front().end == graph.size()) {
      ExpandStretch(graph, hung, stretches.front(), true);
      return;
    }
    const int top = Newest();
    int live = top;
    std::vector<int> path;
    for (const Stretch& stretch : stretches) {
      if (stretch.end > stretch.begin) ExpandStretch(graph, hung, stretch, false, live);
      if (stretch.end == graph.size()) break;
      live = AddNode(live);
      for (int op = stretch.begin; op <= stretch.end; ++op) MakeLive(graph, hung, op);
      path.push_back(live);
    }
    for (int node : path) Close(node);
  }

  void Close(int node) { tree_.nodes[node].subtree_end = static_cast<int>(tree_.nodes.size()); }

  int AddNode(int parent) {
    LiveSetTree::Node node;
    if (parent != kNone) {
      node.cost = tree_.nodes[parent].cost;
      node.saved_bytes = tree_.nodes[parent].saved_bytes;
    }
    node.items_begin = static_cast<int>(tree_.items.size());
    node.block_costs_begin = static_cast<int>(tree_.block_costs.size());
    tree_.nodes.push_back(node);
    return Newest();
  }

 private:
  // Items grouped by the op that they hang on.
  class ItemsByOp {
   public:
    explicit ItemsByOp(const OpGraph& graph) : graph_(graph), begin_(graph.size() + 2, 0), order_(graph.items.size()) {
      for (const OpGraph::HungItem& hung : graph.items) ++begin_[hung.op + 2];
      for (size_t slot = 1; slot < begin_.size(); ++slot) begin_[slot] += begin_[slot - 1];
      std::vector<int> fill(begin_.begin(), begin_.end() - 1);
      for (size_t i = 0; i < graph.items.size(); ++i) order_[fill[graph.items[i].op + 1]++] = static_cast<int>(i);
    }

    template <typename Visit>
    void ForEach(int op, const Visit& visit) const {
      for (int i = begin_[op + 1]; i < begin_[op + 2]; ++i) visit(graph_.items[order_[i]].item);
    }

   private:
    const OpGraph& graph_;
    std::vector<int> begin_;
    std::vector<int> order_;
  };

  int Newest() const { return static_cast<int>(tree_.nodes.size()) - 1; }
  bool IsFull() const { return Newest() + 1 >= options_.max_nodes; }

  void AddItems(const ItemsByOp& hung, int op) {
    hung.ForEach(op, [&](const LiveSetTree::Item& item) { tree_.items.push_back(item); });
  }

  // Adds `op` and what hangs on it to the newest node.
  void MakeLive(const OpGraph& graph, const ItemsByOp& hung, int op) {
    LiveSetTree::Node& node = tree_.nodes.back();
    node.cost += graph.cost[op];
    if (options_.use_blocks) {
      tree_.block_costs.insert(tree_.block_costs.end(), graph.block_costs[op].begin(), graph.block_costs[op].end());
    }
    node.saved_bytes += graph.saved_bytes[op];
    AddItems(hung, op);
  }

  // The live sets that choose among the stretch alone, as children of `parent`. `is_whole`: of the newest node, and
  // contracting the stretch by itself would leave it as it is.
  void ExpandStretch(const OpGraph& graph, const ItemsByOp& hung, const Stretch& stretch, bool is_whole,
                     int parent = kNone) {
    if (is_whole) parent = Newest();
    if (stretch.end - stretch.begin <= kMaxStretch) {
      const ClosedSets closed_sets(graph, stretch.begin, stretch.end);
      if (closed_sets.Count(kFewClosedSets) <= kFewClosedSets) {
        Enumerate(graph, hung, closed_sets, stretch.begin, parent, 0, 0);
        return;
      }
    }
    if (is_whole) {
      Branch(graph, hung, parent);
      return;
    }
    std::vector<bool> keep(graph.size(), false);
    std::fill(keep.begin() + stretch.begin, keep.begin() + stretch.end, true);
    const int copy = AddNode(parent);
    Expand(Induced(graph, keep));
    Close(copy);
  }

  void Enumerate(const OpGraph& graph, const ItemsByOp& hung, const ClosedSets& closed_sets, int begin, int parent,
                 uint64_t set, int from) {
    closed_sets.ForEachExtension(set, from, [&](int op, uint64_t added) {
      const int node = AddNode(parent);
      for (uint64_t rest = added; rest != 0; rest &= rest - 1) {
        MakeLive(graph, hung, begin + std::countr_zero(rest));
      }
      Enumerate(graph, hung, closed_sets, begin, node, set | added, op + 1);
      Close(node);
    });
  }

  // Splits on one op: dead, and with it all that it reaches; live, and with it all that reach it.
  void Branch(const OpGraph& graph, const ItemsByOp& hung, int parent) {
    if (IsFull() || graph.size() > kMaxPivotOps) {
      const int node = AddNode(parent);
      tree_.nodes[node].relaxed = true;
      for (int op = 0; op < graph.size(); ++op) AddItems(hung, op);
      Close(node);
      return;
    }
    std::vector<bool> above, below;
    ChoosePivot(graph, above, below);

    const int dead = AddNode(parent);
    below.flip();
    Expand(Induced(graph, below));
    Close(dead);

    const int live = AddNode(parent);
    for (int op = 0; op < graph.size(); ++op) {
      if (above[op]) MakeLive(graph, hung, op);
    }
    above.flip();
    Expand(Induced(graph, above));
    Close(live);
  }

  // The op that settles most others either way, with those above it and those below it, itself in both.
  static void ChoosePivot(const OpGraph& graph, std::vector<bool>& above, std::vector<bool>& below) {
    const int n = graph.size();
    const int words = (n + 63) / 64;
    std::vector<uint64_t> ancestors(static_cast<size_t>(n) * words, 0);
    std::vector<int> num_above(n, 0), num_below(n, 0);
    const auto row = [&](int op) { return ancestors.data() + static_cast<size_t>(op) * words; };
    for (int op = 0; op < n; ++op) {
      row(op)[op / 64] |= uint64_t{1} << (op % 64);
      for (int i = graph.parents_begin[op]; i < graph.parents_begin[op + 1]; ++i) {
        for (int w = 0; w < words; ++w) row(op)[w] |= row(graph.parents[i])[w];
      }
      for (int w = 0; w < words; ++w) {
        for (uint64_t rest = row(op)[w]; rest != 0; rest &= rest - 1) {
          ++num_above[op];
          ++num_below[w * 64 + std::countr_zero(rest)];
        }
      }
    }
    int pivot = 0;
    for (int op = 1; op < n; ++op) {
      if (std::min(num_above[op], num_below[op]) > std::min(num_above[pivot], num_below[pivot])) pivot = op;
    }
    above.assign(n, false);
    below.assign(n, false);
    for (int op = 0; op < n; ++op) {
      above[op] = (row(pivot)[op / 64] >> (op % 64)) & 1;
      below[op] = (row(op)[pivot / 64] >> (pivot % 64)) & 1;
    }
  }

  const LiveSetOptions& options_;
  LiveSetTree& tree_;
};

}  // namespace

LiveSetTree BuildLiveSets(const ModelProfile& profile, const std::vector<bool>& live, const std::vector<bool>& excluded,
                          const LiveSetOptions& options) {
  LiveSetTree tree;
  Builder builder(options, tree);
  const int root = builder.AddNode(kNone);
  for (size_t j = 0; j < profile.ops.size(); ++j) {
    if (!live[j]) continue;
    int64_t cost = profile.ops[j].cost;
    for (const Edge& edge : profile.ops[j].inputs) {
      if (live[edge.op]) cost += edge.cost;
    }
    tree.nodes[root].cost += cost;
    tree.nodes[root].saved_bytes += profile.ops[j].saved_bytes;
    if (options.use_blocks && cost > 0) tree.block_costs.push_back({profile.ops[j].block, cost});
  }
  builder.Expand(MakeOpGraph(profile, live, excluded, options));
  builder.Close(root);
  return tree;
}

}  // namespace greenplan
