#include "planner/core/graph/live_sets.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "planner/core/graph/closed_sets.h"
#include "planner/core/graph/contraction.h"
#include "planner/core/graph/op_graph.h"
#include "planner/core/graph/pivot.h"

namespace greenplan {
namespace {

// A stretch of ops with at most this many closed subsets is enumerated as it stands; others are split and contracted
// first, which leaves fewer.
constexpr int kFewClosedSets = 64;
// The work of adding a node.
constexpr int64_t kNodeWork = 32;
// For more ops than this, no pivot is looked for, because that takes the reachability of all pairs.
constexpr int kMaxPivotOps = 6000;

// Items grouped by the op that they hang on.
class ItemsByOp {
 public:
  // `graph` must outlive this.
  explicit ItemsByOp(const OpGraph& graph) : graph_(graph), begin_(graph.size() + 2, 0), order_(graph.items.size()) {
    for (const OpGraph::HungItem& hung : graph.items) ++begin_[hung.op + 2];
    for (size_t slot = 1; slot < begin_.size(); ++slot) begin_[slot] += begin_[slot - 1];
    std::vector<int> fill(begin_.begin(), begin_.end() - 1);
    for (size_t i = 0; i < graph.items.size(); ++i) order_[fill[graph.items[i].op + 1]++] = static_cast<int>(i);
  }

  // How many hang on `op`; kNone: on none.
  int Count(int op) const { return begin_[op + 2] - begin_[op + 1]; }

  template <typename Visit>
  void ForEach(int op, const Visit& visit) const {
    for (int i = begin_[op + 1]; i < begin_[op + 2]; ++i) visit(graph_.items[order_[i]].item);
  }

  // Indices of the items that hang on the ops [begin, end), ascending.
  std::vector<int> IndicesWithin(int begin, int end) const {
    std::vector<int> indices(order_.begin() + begin_[begin + 1], order_.begin() + begin_[end + 1]);
    std::sort(indices.begin(), indices.end());
    return indices;
  }

 private:
  const OpGraph& graph_;
  std::vector<int> begin_;  // [num_ops + 2] Into order_: what hangs on no op first, then what hangs on each op.
  std::vector<int> order_;  // [num_items] Indices of items, grouped by op.
};

// Returns the work of a pass over a graph. An edge counts as a fraction of an op.
int64_t WorkOf(const OpGraph& graph) { return graph.size() + static_cast<int64_t>(graph.parents.size()) / 4; }

// A contracted graph while its live sets are added.
struct Level {
  Level(OpGraph contracted, WorkMeter& meter) : graph(std::move(contracted)), hung(graph), held(meter) {}

  const OpGraph graph;
  const ItemsByOp hung;
  HeldBytes held;
};

// The four kinds of tasks that a Builder keeps on its stack, the next one on top. With a stack of its own, no function
// of the builder calls itself, however deep the graph is.

// Add the live sets that choose among `graph` on top of the newest node.
struct Expansion {
  OpGraph graph;
  HeldBytes held;
};
// End the subtrees of nodes.
struct Closing {
  std::vector<int> nodes;
};
// Go on with stretches[next], on top of node `live`. `path`: the nodes that end with the last of the stretches.
struct StretchWalk {
  std::unique_ptr<const Level> level;
  std::vector<Stretch> stretches;
  int live = kNone;
  size_t next = 0;
  bool is_chosen = false;  // The live sets that choose among stretches[next] alone have been added.
  std::vector<int> path = {};
};
// The second half of a branch: the ops of `above` are live.
struct LiveHalf {
  std::unique_ptr<const Level> level;
  std::vector<bool> above;
  int parent = kNone;
};

class Builder {
 public:
  Builder(const ModelProfile& profile, const std::vector<bool>& excluded, const LiveSetOptions& options,
          WorkMeter& meter, LiveSetTree& tree)
      : profile_(profile), excluded_(excluded), options_(options), meter_(meter), tree_(tree), held_(meter) {}

  // Adds the live sets that choose among `graph` below the root, the only node so far.
  void Run(OpGraph graph) {
    // One node that stands for all that is missing always has room.
    for (int k = 0; k < NumTensors(); ++k) num_selectable_ += IsSelectable(profile_, excluded_, k) ? 1 : 0;
    is_over_ = !held_.Grow(kBytesPerItem * num_selectable_ + kBytesPerNode);
    PushExpansion(std::move(graph));
    while (!stack_.empty() && !meter_.stopped()) {
      const std::unique_ptr<Task> task = std::move(stack_.back());
      stack_.pop_back();
      std::visit([this](auto& what) { Do(what); }, *task);
    }
    stack_.clear();
    if (is_over_ && !meter_.stopped()) AddRelaxedRest();
  }

  // Leaves the root alone, and below it a relaxed node that selects among all tensors.
  void Abandon() {
    const size_t root_block_costs =
        tree_.nodes.size() > 1 ? tree_.nodes[1].block_costs_begin : tree_.block_costs.size();
    tree_.nodes.resize(1);
    tree_.items = {};
    tree_.bundles = {};
    tree_.block_costs.resize(root_block_costs);
    AddRelaxedRest();
  }

  void Close(int node) { tree_.nodes[node].subtree_end = static_cast<int>(tree_.nodes.size()); }

  int AddNode(int parent) {
    LiveSetTree::Node node;
    if (parent != kNone) {
      node.cost = tree_.nodes[parent].cost;
      node.saved_bytes = tree_.nodes[parent].saved_bytes;
    }
    meter_.Spend(kNodeWork);
    Hold(kBytesPerNode);
    node.items_begin = static_cast<int>(tree_.items.size());
    node.block_costs_begin = static_cast<int>(tree_.block_costs.size());
    tree_.nodes.push_back(node);
    return Newest();
  }

 private:
  using Task = std::variant<Expansion, Closing, StretchWalk, LiveHalf>;

  int NumTensors() const { return static_cast<int>(profile_.tensors.size()); }
  int Newest() const { return static_cast<int>(tree_.nodes.size()) - 1; }
  bool IsStoppedAfter(int64_t work) {
    meter_.Spend(work);
    return meter_.stopped();
  }
  bool IsFull() const {
    return Newest() + 1 >= options_.max_nodes || static_cast<int>(tree_.items.size()) >= options_.max_items ||
           meter_.exhausted();
  }
  // Accounts for memory of the tree. If there is too little of it, nothing more is added but what stands for the rest.
  bool Hold(int64_t bytes) {
    is_over_ = is_over_ || !held_.Grow(bytes);
    return !is_over_;
  }

  void Do(Closing& closing) {
    for (int node : closing.nodes) Close(node);
  }

  void Do(Expansion& expansion) {
    if (is_over_) return;
    meter_.Spend(static_cast<int64_t>(expansion.graph.items.size()) / 2);  // They are copied a few times.
    const size_t bundles_before = tree_.bundles.size();
    OpGraph contracted = Contract(expansion.graph, tree_.bundles, meter_);
    for (size_t i = bundles_before; i < tree_.bundles.size(); ++i) {
      Hold(kBytesPerOption * static_cast<int64_t>(tree_.bundles[i].options.size() + 1));
    }
    if (IsStoppedAfter(contracted.size())) return;
    auto level = std::make_unique<Level>(std::move(contracted), meter_);
    expansion.graph = {};
    expansion.held.GiveBack();
    const OpGraph& graph = level->graph;
    is_over_ = is_over_ || !level->held.Grow(graph.MemoryBytes());
    AddItems(level->hung, kNone);
    if (graph.size() == 0 || is_over_) return;
    if (IsStoppedAfter(WorkOf(graph))) return;
    std::vector<Stretch> stretches = SplitAtComparableOps(graph);
    if (IsStoppedAfter(WorkOf(graph))) return;
    if (stretches.size() > 1 || stretches.front().end < graph.size()) {
      const int live = Newest();
      Push(StretchWalk{std::move(level), std::move(stretches), live});
    } else if (!Enumerate(*level, stretches.front(), Newest())) {
      Branch(std::move(level), Newest());
    }
  }

  // Stretch by stretch: the live sets that choose among it alone, then all of it with its end live.
  void Do(StretchWalk& walk) {
    const Level& level = *walk.level;
    for (; walk.next < walk.stretches.size() && !is_over_; ++walk.next, walk.is_chosen = false) {
      if (meter_.stopped()) return;
      const Stretch stretch = walk.stretches[walk.next];
      if (stretch.end > stretch.begin && !walk.is_chosen && !Enumerate(level, stretch, walk.live)) {
        ExpandStretch(walk);
        return;
      }
      if (stretch.end == level.graph.size()) break;
      walk.live = AddNode(walk.live);
      for (int op = stretch.begin; op <= stretch.end; ++op) MakeLive(level, op);
      walk.path.push_back(walk.live);
    }
    for (int node : walk.path) Close(node);
  }

  // Contracts the next stretch by itself, below a copy of walk.live, and then goes on with the walk.
  void ExpandStretch(StretchWalk& walk) {
    const OpGraph& graph = walk.level->graph;
    const Stretch stretch = walk.stretches[walk.next];
    OpGraph inner =
        Section(graph, stretch.begin, stretch.end, walk.level->hung.IndicesWithin(stretch.begin, stretch.end));
    meter_.Spend(WorkOf(inner));
    const int copy = AddNode(walk.live);
    if (stretch.end == graph.size()) {
      Push(Closing{std::move(walk.path)});  // Nothing else is left of the walk.
      walk.level.reset();
    } else {
      walk.is_chosen = true;
      Push(std::move(walk));
    }
    Push(Closing{{copy}});
    PushExpansion(std::move(inner));
  }

  // Adds the live sets that choose among the stretch as children of `parent`, if they are few; else returns false.
  bool Enumerate(const Level& level, const Stretch& stretch, int parent) {
    if (stretch.end - stretch.begin > ClosedSets::kMaxOps) return false;
    const ClosedSets closed_sets(level.graph, stretch.begin, stretch.end);
    if (closed_sets.Count(kFewClosedSets) > kFewClosedSets) return false;
    struct Place {
      uint64_t set = 0;
      int next = 0;
      int node = kNone;
    };
    std::vector<Place> path{{.node = parent}};
    while (!meter_.stopped()) {
      Place& at = path.back();
      uint64_t added = 0;
      if (!is_over_ && closed_sets.NextExtension(at.set, at.next, added)) {
        const Place down{at.set | added, at.next, AddNode(at.node)};
        for (uint64_t rest = added; rest != 0; rest &= rest - 1) {
          MakeLive(level, stretch.begin + std::countr_zero(rest));
        }
        path.push_back(down);
        continue;
      }
      if (path.size() == 1) break;
      Close(at.node);
      path.pop_back();
    }
    return true;
  }

  // Splits on one op: dead, and with it all that it reaches; live, and with it all that reach it.
  void Branch(std::unique_ptr<const Level> level, int parent) {
    const OpGraph& graph = level->graph;
    std::optional<Pivot> pivot;
    if (!IsFull() && graph.size() <= kMaxPivotOps) pivot = ChoosePivot(graph, meter_);
    if (!pivot) {
      const int node = AddNode(parent);
      tree_.nodes[node].relaxed = true;
      tree_.is_complete = false;
      for (int op = 0; op < graph.size(); ++op) AddItems(level->hung, op);
      Close(node);
      return;
    }
    const int dead = AddNode(parent);
    pivot->below.flip();
    OpGraph rest = Induced(graph, pivot->below);
    Push(LiveHalf{std::move(level), std::move(pivot->above), parent});
    Push(Closing{{dead}});
    PushExpansion(std::move(rest));
  }

  void Do(LiveHalf& half) {
    if (is_over_) return;
    const OpGraph& graph = half.level->graph;
    const int live = AddNode(half.parent);
    for (int op = 0; op < graph.size(); ++op) {
      if (half.above[op]) MakeLive(*half.level, op);
    }
    half.above.flip();
    OpGraph rest = Induced(graph, half.above);
    half.level.reset();
    Push(Closing{{live}});
    PushExpansion(std::move(rest));
  }

  template <typename What>
  void Push(What what) {
    stack_.push_back(std::make_unique<Task>(std::move(what)));
  }

  void PushExpansion(OpGraph graph) {
    HeldBytes held(meter_);
    // Contracting it makes a second one.
    is_over_ = is_over_ || !held.Grow(2 * graph.MemoryBytes());
    if (!is_over_) Push(Expansion{std::move(graph), std::move(held)});
  }

  void AddItems(const ItemsByOp& hung, int op) {
    if (!Hold(kBytesPerItem * hung.Count(op))) return;
    hung.ForEach(op, [&](const Item& item) { tree_.items.push_back(item); });
    meter_.Spend(hung.Count(op));
  }

  // Adds `op` and what hangs on it to the newest node.
  void MakeLive(const Level& level, int op) {
    const OpGraph& graph = level.graph;
    LiveSetTree::Node& node = tree_.nodes.back();
    node.cost += graph.cost[op];
    node.saved_bytes += graph.saved_bytes[op];
    AddItems(level.hung, op);
    if (!options_.use_blocks) return;
    const std::vector<LiveSetTree::BlockCost>& parts = graph.BlockCostsOf(op);
    if (!Hold(static_cast<int64_t>(parts.size() * sizeof(parts.front())))) return;
    tree_.block_costs.insert(tree_.block_costs.end(), parts.begin(), parts.end());
  }

  // A relaxed node below the root that selects among all tensors, those of the root's own items excepted.
  void AddRelaxedRest() {
    std::vector<bool> is_at_root(profile_.tensors.size(), false);
    for (int i = 0; i < tree_.ItemsEnd(0); ++i) {
      const Item& item = tree_.items[i];
      if (item.bundle == kNone) {
        is_at_root[item.tensor] = true;
      } else {
        for (int tensor : tree_.bundles[item.bundle].tensors) is_at_root[tensor] = true;
      }
    }
    const int node = AddNode(0);
    tree_.nodes[node].relaxed = true;
    tree_.is_complete = false;
    tree_.items.reserve(tree_.items.size() + num_selectable_);
    for (int k = 0; k < NumTensors(); ++k) {
      if (IsSelectable(profile_, excluded_, k) && !is_at_root[k]) {
        tree_.items.push_back(ItemOf(profile_, k, options_));
      }
    }
    Close(node);
  }

  const ModelProfile& profile_;
  const std::vector<bool>& excluded_;
  const LiveSetOptions& options_;
  WorkMeter& meter_;
  LiveSetTree& tree_;
  HeldBytes held_;  // Of the tree.
  std::vector<std::unique_ptr<Task>> stack_;
  int64_t num_selectable_ = 0;
  bool is_over_ = false;  // Something did not fit into the memory allowed: one relaxed node stands for the rest.
};

}  // namespace

LiveSetTree BuildLiveSets(const ModelProfile& profile, const std::vector<bool>& live, const std::vector<bool>& excluded,
                          const LiveSetOptions& options, WorkMeter& meter) {
  LiveSetTree tree;
  Builder builder(profile, excluded, options, meter, tree);
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
  if (OpGraph graph = MakeOpGraph(profile, live, excluded, options, meter); !meter.stopped()) {
    builder.Run(std::move(graph));
  }
  if (meter.stopped()) builder.Abandon();
  builder.Close(root);
  return tree;
}

}  // namespace greenplan
