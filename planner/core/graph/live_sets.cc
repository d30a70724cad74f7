#include "planner/core/graph/live_sets.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "planner/core/graph/closed_sets.h"
#include "planner/core/graph/contraction.h"
#include "planner/core/graph/op_graph.h"

namespace greenplan {
namespace {

// A stretch of ops with at most this many closed subsets is enumerated as it stands; others are split and contracted
// first, which leaves fewer.
constexpr int kFewClosedSets = 64;
// What adding a node takes, in units of work.
constexpr int64_t kNodeWork = 32;
// Above this the reachability of all pairs is not computed.
constexpr int kMaxPivotOps = 6000;

// A set of ops for each op, which holds it from the start.
class OpSets {
 public:
  explicit OpSets(int num_ops)
      : num_ops_(num_ops), words_((num_ops + 63) / 64), bits_(static_cast<size_t>(num_ops) * words_, 0) {
    for (int op = 0; op < num_ops; ++op) Row(op)[op / 64] |= uint64_t{1} << (op % 64);
  }

  // Adds to `to`'s set that of `from`.
  void Add(int to, int from) {
    for (int w = 0; w < words_; ++w) Row(to)[w] |= Row(from)[w];
    work_ += words_;
  }

  int Count(int op) const {
    int count = 0;
    for (int w = 0; w < words_; ++w) count += std::popcount(Row(op)[w]);
    return count;
  }

  std::vector<bool> Get(int op) const {
    std::vector<bool> set(num_ops_);
    for (int other = 0; other < num_ops_; ++other) set[other] = (Row(op)[other / 64] >> (other % 64)) & 1;
    return set;
  }

  int64_t work() const { return work_; }

 private:
  uint64_t* Row(int op) { return bits_.data() + static_cast<size_t>(op) * words_; }
  const uint64_t* Row(int op) const { return bits_.data() + static_cast<size_t>(op) * words_; }

  int num_ops_;
  int words_;
  std::vector<uint64_t> bits_;
  int64_t work_ = 0;
};

class Builder {
 public:
  Builder(const LiveSetOptions& options, WorkMeter& meter, LiveSetTree& tree)
      : options_(options), meter_(meter), tree_(tree) {}

  // Adds the live sets that choose among `graph` on top of the newest node.
  void Expand(const OpGraph& raw) {
    const OpGraph graph = Contract(raw, tree_.bundles, meter_);
    if (IsStoppedAfter(graph.size())) return;
    const ItemsByOp hung(graph);
    AddItems(hung, kNone);
    if (graph.size() == 0) return;
    if (IsStoppedAfter(graph.size())) return;
    const std::vector<Stretch> stretches = SplitAtComparableOps(graph);
    if (IsStoppedAfter(graph.size())) return;
    if (stretches.size() == 1 && stretches.front().end == graph.size()) {
      ExpandStretch(graph, hung, stretches.front(), true);
      return;
    }
    const int top = Newest();
    int live = top;
    std::vector<int> path;
    for (const Stretch& stretch : stretches) {
      if (meter_.stopped()) return;
      if (stretch.end > stretch.begin) ExpandStretch(graph, hung, stretch, false, live);
      if (stretch.end == graph.size()) break;
      live = AddNode(live);
      for (int op = stretch.begin; op <= stretch.end; ++op) MakeLive(graph, hung, op);
      path.push_back(live);
    }
    for (int node : path) Close(node);
  }

  // Leaves the root alone, and below it a relaxed node that selects among all tensors.
  void Abandon(const ModelProfile& profile, const std::vector<bool>& excluded) {
    const size_t root_block_costs =
        tree_.nodes.size() > 1 ? tree_.nodes[1].block_costs_begin : tree_.block_costs.size();
    tree_.nodes.resize(1);
    tree_.items.clear();
    tree_.bundles.clear();
    tree_.block_costs.resize(root_block_costs);
    const int node = AddNode(0);
    tree_.nodes[node].relaxed = true;
    tree_.is_complete = false;
    tree_.items.reserve(profile.tensors.size());
    for (int k = 0; k < static_cast<int>(profile.tensors.size()); ++k) {
      if (IsSelectable(profile, excluded, k)) tree_.items.push_back(ItemOf(profile, k, options_));
    }
    Close(node);
  }

  void Close(int node) { tree_.nodes[node].subtree_end = static_cast<int>(tree_.nodes.size()); }

  int AddNode(int parent) {
    LiveSetTree::Node node;
    if (parent != kNone) {
      node.cost = tree_.nodes[parent].cost;
      node.saved_bytes = tree_.nodes[parent].saved_bytes;
    }
    meter_.Spend(kNodeWork);
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
  bool IsStoppedAfter(int64_t work) {
    meter_.Spend(work);
    return meter_.stopped();
  }
  bool IsFull() const {
    return Newest() + 1 >= options_.max_nodes || static_cast<int>(tree_.items.size()) >= options_.max_items ||
           meter_.exhausted();
  }

  void AddItems(const ItemsByOp& hung, int op) {
    const size_t before = tree_.items.size();
    hung.ForEach(op, [&](const Item& item) { tree_.items.push_back(item); });
    meter_.Spend(static_cast<int64_t>(tree_.items.size() - before));
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
    if (stretch.end - stretch.begin <= ClosedSets::kMaxOps) {
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
      if (meter_.stopped()) return;
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
      tree_.is_complete = false;
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
  void ChoosePivot(const OpGraph& graph, std::vector<bool>& above, std::vector<bool>& below) const {
    const int n = graph.size();
    OpSets ancestors(n), descendants(n);
    for (int op = 0; op < n; ++op) {
      for (int i = graph.parents_begin[op]; i < graph.parents_begin[op + 1]; ++i) ancestors.Add(op, graph.parents[i]);
    }
    for (int op = n; op-- > 0;) {
      for (int i = graph.parents_begin[op]; i < graph.parents_begin[op + 1]; ++i) descendants.Add(graph.parents[i], op);
    }
    meter_.Spend(ancestors.work() + descendants.work());
    int pivot = 0, most = 0;
    for (int op = 0; op < n; ++op) {
      const int settled = std::min(ancestors.Count(op), descendants.Count(op));
      if (settled > most) {
        pivot = op;
        most = settled;
      }
    }
    above = ancestors.Get(pivot);
    below = descendants.Get(pivot);
  }

  const LiveSetOptions& options_;
  WorkMeter& meter_;
  LiveSetTree& tree_;
};

}  // namespace

LiveSetTree BuildLiveSets(const ModelProfile& profile, const std::vector<bool>& live, const std::vector<bool>& excluded,
                          const LiveSetOptions& options, WorkMeter& meter) {
  LiveSetTree tree;
  Builder builder(options, meter, tree);
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
  {
    const OpGraph graph = MakeOpGraph(profile, live, excluded, options, meter);
    if (!meter.stopped()) builder.Expand(graph);
  }
  if (meter.stopped()) builder.Abandon(profile, excluded);
  builder.Close(root);
  return tree;
}

}  // namespace greenplan
