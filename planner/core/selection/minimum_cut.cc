#include "planner/core/selection/minimum_cut.h"

#include <algorithm>

namespace greenplan {
namespace {

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
  return joined * static_cast<int64_t>(2 * sizeof(Arc) + sizeof(int)) + 32 * int64_t{graph.size()};
}

template <typename Amount>
MinimumCut<Amount>::MinimumCut(const OpGraph& graph) : graph_(graph), size_(graph.size() + 2), first_(size_, kNone) {
  arcs_.reserve(2 * (2 * static_cast<size_t>(graph.size()) + graph.parents.size()));
  for (int op = 0; op < graph.size(); ++op) {
    from_source_.push_back(AddArc(source(), op));
    to_sink_.push_back(AddArc(op, sink()));
    for (int i = graph.parents_begin[op]; i < graph.parents_begin[op + 1]; ++i) {
      to_parents_.push_back(AddArc(op, graph.parents[i]));
    }
  }
}

template <typename Amount>
Amount MinimumCut<Amount>::MaximumClosure(const std::vector<Amount>& gains, const std::vector<Amount>& costs,
                                          WorkMeter& meter, std::vector<bool>& closure) {
  Amount total = 0;
  for (Arc& arc : arcs_) arc.room = 0;
  for (int op = 0; op < graph_.size(); ++op) {
    // What an op gains pays its own cost first.
    const Amount own = std::min(gains[op], costs[op]);
    arcs_[from_source_[op]].room = gains[op] - own;
    arcs_[to_sink_[op]].room = costs[op] - own;
    total += gains[op] - own;
  }
  for (int arc : to_parents_) arcs_[arc].room = Unlimited<Amount>();
  Amount flow = 0;
  while (SetLevels(meter)) {  // Less flow is a valid bound, if a weaker one.
    next_ = first_;
    while (const Amount pushed = Push()) {
      flow += pushed;
      if (!meter.Spend(static_cast<int64_t>(path_.size()))) break;
    }
  }
  closure.assign(graph_.size(), false);
  SetLevels(meter);
  for (int op = 0; op < graph_.size(); ++op) closure[op] = level_[op] != kNone;
  return total - flow;
}

template <typename Amount>
int MinimumCut<Amount>::AddArc(int from, int to) {
  arcs_.push_back({to, first_[from]});
  first_[from] = static_cast<int>(arcs_.size()) - 1;
  arcs_.push_back({from, first_[to]});
  first_[to] = static_cast<int>(arcs_.size()) - 1;
  return static_cast<int>(arcs_.size()) - 2;
}

// Numbers the nodes by their distance from the source. False if the sink is out of reach, or the meter ran out.
template <typename Amount>
bool MinimumCut<Amount>::SetLevels(WorkMeter& meter) {
  level_.assign(size_, kNone);
  queue_.assign(1, source());
  level_[source()] = 0;
  for (size_t i = 0; i < queue_.size() && !meter.stopped(); ++i) {
    int64_t num_arcs = 0;
    for (int arc = first_[queue_[i]]; arc != kNone; arc = arcs_[arc].next) {
      ++num_arcs;
      if (arcs_[arc].room == 0 || level_[arcs_[arc].to] != kNone) continue;
      level_[arcs_[arc].to] = level_[queue_[i]] + 1;
      queue_.push_back(arcs_[arc].to);
    }
    meter.Spend(4 + num_arcs / 4);
  }
  return level_[sink()] != kNone && !meter.exhausted();
}

// Pushes along one path of the level graph; 0 if there is none left.
template <typename Amount>
Amount MinimumCut<Amount>::Push() {
  std::vector<int>& path = path_;
  path.clear();
  int at = source();
  while (at != sink()) {
    int& arc = next_[at];
    while (arc != kNone && (arcs_[arc].room == 0 || level_[arcs_[arc].to] != level_[at] + 1)) arc = arcs_[arc].next;
    if (arc != kNone) {
      path.push_back(arc);
      at = arcs_[arc].to;
      continue;
    }
    if (path.empty()) return 0;
    at = arcs_[path.back() ^ 1].to;
    next_[at] = arcs_[path.back()].next;
    path.pop_back();
  }
  Amount most = arcs_[path.front()].room;
  for (int arc : path) most = std::min(most, arcs_[arc].room);
  for (int arc : path) {
    arcs_[arc].room -= most;
    arcs_[arc ^ 1].room += most;
  }
  return most;
}

template class MinimumCut<int64_t>;
template class MinimumCut<__int128>;

}  // namespace greenplan
