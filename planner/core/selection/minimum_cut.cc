#include "planner/core/selection/minimum_cut.h"

#include <algorithm>
#include <numeric>

namespace greenplan {
namespace {

// The places of an op's arcs.
constexpr int kToSource = 0;
constexpr int kToSink = 1;
constexpr int kToParents = 2;

// Units of work: for a node or a step of a path, and for so many arcs.
constexpr int64_t kNodeWork = 4;
constexpr int64_t kArcsPerUnit = 4;

// More than any closure can be worth, and small enough that adding to it does not overflow.
template <typename Amount>
constexpr Amount Unlimited() {
  return Amount{1} << (8 * sizeof(Amount) - 2);
}

}  // namespace

// Two arcs for each pair of nodes that are joined, and a few numbers for each node.
template <typename Amount>
int64_t MinimumCut<Amount>::BytesFor(const OpGraph& graph) {
  const int64_t joined = 2 * int64_t{graph.size()} + static_cast<int64_t>(graph.parents.size());
  return joined * static_cast<int64_t>(2 * sizeof(Arc)) + 32 * int64_t{graph.size()};
}

template <typename Amount>
MinimumCut<Amount>::MinimumCut(const OpGraph& graph) : graph_(graph), size_(graph.size() + 2), begin_(size_ + 1, 0) {
  const int num_ops = graph.size();
  for (int op = 0; op < num_ops; ++op) {
    begin_[op + 1] += kToParents + graph.parents_begin[op + 1] - graph.parents_begin[op];
  }
  for (int parent : graph.parents) ++begin_[parent + 1];
  begin_[source() + 1] = begin_[sink() + 1] = num_ops;
  std::partial_sum(begin_.begin(), begin_.end(), begin_.begin());
  arcs_.resize(begin_.back());
  std::vector<int> end = begin_;  // Of the arcs that each node has so far.
  const auto join = [&](int from, int to) {
    arcs_[end[from]] = {to, end[to]};
    arcs_[end[to]] = {from, end[from]};
    ++end[from];
    ++end[to];
  };
  for (int op = 0; op < num_ops; ++op) join(source(), op);
  for (int op = 0; op < num_ops; ++op) join(op, sink());
  // In topological order: an op's parents are joined to it before its children.
  for (int op = 0; op < num_ops; ++op) {
    for (int i = graph.parents_begin[op]; i < graph.parents_begin[op + 1]; ++i) join(op, graph.parents[i]);
  }
}

template <typename Amount>
Amount MinimumCut<Amount>::MaximumClosure(const std::vector<Amount>& gains, const std::vector<Amount>& costs,
                                          WorkMeter& meter, std::vector<bool>& closure) {
  const Amount total = SetRooms(gains, costs);
  meter.Spend(static_cast<int64_t>(arcs_.size()) / kArcsPerUnit);
  Amount flow = 0;
  while (SetLevels(/*up_to_sink=*/true, meter)) {  // Less flow is a valid bound, if a weaker one.
    next_.assign(begin_.begin(), begin_.end() - 1);
    while (const Amount pushed = Push(meter)) flow += pushed;
  }
  if (level_[sink()] != kNone) SetLevels(/*up_to_sink=*/false, meter);
  closure.assign(graph_.size(), false);
  for (int op = 0; op < graph_.size(); ++op) closure[op] = level_[op] != kNone;
  return total - flow;
}

template <typename Amount>
Amount MinimumCut<Amount>::SetRooms(const std::vector<Amount>& gains, const std::vector<Amount>& costs) {
  Amount total = 0;
  for (Arc& arc : arcs_) arc.room = 0;
  for (int op = 0; op < graph_.size(); ++op) {
    // What an op gains pays its own cost first.
    const Amount own = std::min(gains[op], costs[op]);
    arcs_[begin_[source()] + op].room = gains[op] - own;
    arcs_[begin_[op] + kToSink].room = costs[op] - own;
    total += gains[op] - own;
    const int num_parents = graph_.parents_begin[op + 1] - graph_.parents_begin[op];
    for (int i = 0; i < num_parents; ++i) arcs_[begin_[op] + kToParents + i].room = Unlimited<Amount>();
  }
  return total;
}

template <typename Amount>
bool MinimumCut<Amount>::SetLevels(bool up_to_sink, WorkMeter& meter) {
  level_.assign(size_, kNone);
  queue_.assign(1, source());
  level_[source()] = 0;
  for (size_t i = 0; i < queue_.size() && !meter.stopped(); ++i) {
    const int at = queue_[i];
    // Nodes as far as the sink are on no shortest path to it.
    if (up_to_sink && level_[sink()] != kNone && level_[at] + 1 >= level_[sink()]) break;
    for (int arc = begin_[at]; arc < begin_[at + 1]; ++arc) {
      const int to = arcs_[arc].to;
      if (arcs_[arc].room == 0 || level_[to] != kNone) continue;
      level_[to] = level_[at] + 1;
      queue_.push_back(to);
    }
    meter.Spend(kNodeWork + (begin_[at + 1] - begin_[at]) / kArcsPerUnit);
  }
  return level_[sink()] != kNone && !meter.exhausted();
}

template <typename Amount>
Amount MinimumCut<Amount>::Push(WorkMeter& meter) {
  std::vector<int>& path = path_;
  path.clear();
  int at = source();
  while (at != sink()) {
    int& arc = next_[at];
    const int before = arc;
    while (arc < begin_[at + 1] && (arcs_[arc].room == 0 || level_[arcs_[arc].to] != level_[at] + 1)) ++arc;
    if (!meter.Spend(1 + (arc - before) / kArcsPerUnit)) return 0;
    if (arc < begin_[at + 1]) {
      path.push_back(arc);
      at = arcs_[arc].to;
      continue;
    }
    if (path.empty()) return 0;
    // A dead end: its parent on the path goes on with the next arc.
    at = arcs_[arcs_[path.back()].reverse].to;
    ++next_[at];
    path.pop_back();
  }
  Amount most = arcs_[path.front()].room;
  for (int arc : path) most = std::min(most, arcs_[arc].room);
  for (int arc : path) {
    arcs_[arc].room -= most;
    arcs_[arcs_[arc].reverse].room += most;
  }
  return most;
}

template class MinimumCut<int64_t>;
template class MinimumCut<__int128>;

}  // namespace greenplan
