#include "planner/core/graph/op_graph.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace greenplan {
namespace {

// The work of looking at an op and its edges.
constexpr int64_t kOpWork = 4;

// [num_left] What each op that is left costs, by block: first what the edges into it cost, in the order of their ops,
// and then its own. O(ops + edges), however many blocks meet in one op.
std::vector<std::vector<LiveSetTree::BlockCost>> CostsByBlock(const ModelProfile& profile,
                                                              const std::vector<int>& index, int num_left) {
  std::vector<std::vector<LiveSetTree::BlockCost>> edges(num_left), costs(num_left);
  // For each block, kNone included: the op that met it last, and its place among the parts of that op.
  std::vector<int> last_op(profile.blocks.size() + 1, kNone);
  std::vector<size_t> place(profile.blocks.size() + 1, 0);
  const auto add = [&](int op, int block, int64_t cost) {
    if (cost == 0) return;
    if (std::exchange(last_op[block + 1], op) == op) {
      costs[op][place[block + 1]].cost += cost;
    } else {
      place[block + 1] = costs[op].size();
      costs[op].push_back({block, cost});
    }
  };
  const auto num_ops = static_cast<int>(profile.ops.size());
  for (int j = 0; j < num_ops; ++j) {
    if (const int op = index[j]; op != kNone) {
      for (const LiveSetTree::BlockCost& edge : edges[op]) add(op, edge.block, edge.cost);
      edges[op] = {};
      add(op, profile.ops[j].block, profile.ops[j].cost);
    }
    for (const Edge& edge : profile.ops[j].inputs) {
      if (index[edge.op] != kNone && edge.cost > 0) edges[index[edge.op]].push_back({profile.ops[j].block, edge.cost});
    }
  }
  return costs;
}

// Adds the ops that are not live. Returns which op of the graph each op of the profile is, [num_ops]; kNone if it is
// live.
std::vector<int> AddOps(const ModelProfile& profile, const std::vector<bool>& live, const LiveSetOptions& options,
                        OpGraph& graph) {
  std::vector<int> index(profile.ops.size(), kNone);
  for (size_t j = 0; j < index.size(); ++j) {
    if (live[j]) continue;
    index[j] = graph.size();
    graph.cost.push_back(profile.ops[j].cost);
    graph.saved_bytes.push_back(options.use_saved_bytes ? profile.ops[j].saved_bytes : 0);
  }
  return index;
}

// Calls visit(source, target, cost, is_first) for each edge into an op of the graph. Both ends are ops of the graph, or
// kNone for a source that is live. is_first holds once for each pair of them, however many parallel edges join it.
template <typename Visit>
void ForEachEdge(const ModelProfile& profile, const std::vector<int>& index, const OpGraph& graph, const Visit& visit) {
  std::vector<int> last_source(graph.size(), kNone);
  const auto num_ops = static_cast<int>(profile.ops.size());
  for (int j = 0; j < num_ops; ++j) {
    for (const Edge& edge : profile.ops[j].inputs) {
      const int target = index[edge.op];
      if (target == kNone) continue;
      const bool is_first = index[j] != kNone && std::exchange(last_source[target], j) != j;
      visit(index[j], target, edge.cost, is_first);
    }
  }
}

// Adds what each edge costs to its target, and counts the target's parents.
void AddEdgeCosts(const ModelProfile& profile, const std::vector<int>& index, OpGraph& graph) {
  graph.parents_begin.assign(graph.size() + 1, 0);
  ForEachEdge(profile, index, graph, [&](int /*source*/, int target, int64_t cost, bool is_first) {
    graph.cost[target] += cost;
    if (is_first) ++graph.parents_begin[target + 1];
  });
}

// Fills the parents, which AddEdgeCosts has counted. Sources come in ascending order.
void AddParents(const ModelProfile& profile, const std::vector<int>& index, OpGraph& graph) {
  std::partial_sum(graph.parents_begin.begin(), graph.parents_begin.end(), graph.parents_begin.begin());
  graph.parents.resize(graph.parents_begin.back());
  std::vector<int> fill(graph.parents_begin.begin(), graph.parents_begin.end() - 1);
  ForEachEdge(profile, index, graph, [&](int source, int target, int64_t /*cost*/, bool is_first) {
    if (is_first) graph.parents[fill[target]++] = source;
  });
}

}  // namespace

void OpGraph::Reserve(size_t num_ops, size_t num_parents, size_t num_items) {
  cost.reserve(num_ops);
  saved_bytes.reserve(num_ops);
  parents_begin.reserve(num_ops + 1);
  parents.reserve(num_parents);
  items.reserve(num_items);
}

void OpGraph::AddOpOf(const OpGraph& from, int op) {
  cost.push_back(from.cost[op]);
  saved_bytes.push_back(from.saved_bytes[op]);
  if (!from.has_blocks()) return;
  if (block_cost_rows.empty()) block_cost_table = from.block_cost_table;
  block_cost_rows.push_back(from.block_cost_rows[op]);
}

int64_t OpGraph::MemoryBytes() const {
  int64_t bytes = 0;
  const auto add = [&bytes](const auto& vector) {
    bytes += static_cast<int64_t>(vector.size() * sizeof(vector.front()));
  };
  add(cost);
  add(saved_bytes);
  for (int op = 0; has_blocks() && op < size(); ++op) {
    bytes += static_cast<int64_t>(sizeof(std::vector<LiveSetTree::BlockCost>));
    add(BlockCostsOf(op));
  }
  add(parents_begin);
  add(parents);
  add(items);
  return bytes;
}

bool IsSelectable(const ModelProfile& profile, const std::vector<bool>& excluded, int tensor) {
  return profile.tensors[tensor].op != kNone && !excluded[tensor];
}

Item ItemOf(const ModelProfile& profile, int tensor, const LiveSetOptions& options) {
  const Tensor& of = profile.tensors[tensor];
  return {.tensor = tensor,
          .bundle = kNone,
          .cost = of.weight_grad_cost,
          .saved_bytes = options.use_saved_bytes ? of.saved_bytes : 0,
          .block = options.use_blocks ? profile.ops[of.op].block : kNone};
}

OpGraph MakeOpGraph(const ModelProfile& profile, const std::vector<bool>& live, const std::vector<bool>& excluded,
                    const LiveSetOptions& options, WorkMeter& meter) {
  const auto num_ops = static_cast<int64_t>(profile.ops.size());
  size_t num_edges = 0;
  for (const Op& op : profile.ops) num_edges += op.inputs.size();
  // Each of what follows up to the next question looks at all ops or edges once. Up to two edges count in an op's work.
  const int64_t more_edges = std::max<int64_t>(0, static_cast<int64_t>(num_edges) - 2 * num_ops);
  const auto is_stopped = [&] {
    meter.Spend(kOpWork * num_ops + more_edges);
    return meter.stopped();
  };
  if (is_stopped()) return {};
  OpGraph graph;
  graph.Reserve(num_ops, 0, profile.tensors.size());
  const std::vector<int> index = AddOps(profile, live, options, graph);
  if (is_stopped()) return {};
  if (options.use_blocks) {
    graph.block_cost_table = std::make_shared<const std::vector<std::vector<LiveSetTree::BlockCost>>>(
        CostsByBlock(profile, index, graph.size()));
    graph.block_cost_rows.resize(graph.size());
    std::iota(graph.block_cost_rows.begin(), graph.block_cost_rows.end(), 0);
  }
  AddEdgeCosts(profile, index, graph);
  if (is_stopped()) return {};
  AddParents(profile, index, graph);
  if (is_stopped()) return {};
  for (int k = 0; k < static_cast<int>(profile.tensors.size()); ++k) {
    if (IsSelectable(profile, excluded, k)) {
      graph.items.push_back({ItemOf(profile, k, options), index[profile.tensors[k].op]});
    }
  }
  return graph;
}

OpGraph Induced(const OpGraph& graph, const std::vector<bool>& keep) {
  OpGraph result;
  std::vector<int> index(graph.size(), kNone);
  result.parents_begin.push_back(0);
  for (int op = 0; op < graph.size(); ++op) {
    if (!keep[op]) continue;
    index[op] = result.size();
    result.AddOpOf(graph, op);
    for (int i = graph.parents_begin[op]; i < graph.parents_begin[op + 1]; ++i) {
      if (keep[graph.parents[i]]) result.parents.push_back(index[graph.parents[i]]);
    }
    result.parents_begin.push_back(static_cast<int>(result.parents.size()));
  }
  for (const OpGraph::HungItem& hung : graph.items) {
    if (hung.op != kNone && keep[hung.op]) result.items.push_back({hung.item, index[hung.op]});
  }
  return result;
}

OpGraph Section(const OpGraph& graph, int begin, int end, const std::vector<int>& items) {
  OpGraph result;
  result.Reserve(end - begin, 0, items.size());
  result.parents_begin.push_back(0);
  for (int op = begin; op < end; ++op) {
    result.AddOpOf(graph, op);
    for (int i = graph.parents_begin[op]; i < graph.parents_begin[op + 1]; ++i) {
      if (graph.parents[i] >= begin) result.parents.push_back(graph.parents[i] - begin);
    }
    result.parents_begin.push_back(static_cast<int>(result.parents.size()));
  }
  for (int i : items) result.items.push_back({graph.items[i].item, graph.items[i].op - begin});
  return result;
}

}  // namespace greenplan
