#include "planner/core/live_set_search.h"

#include <algorithm>
#include <cstddef>
#include <limits>

namespace greenplan {
namespace {

using Entry = Ranking::Entry;
using Node = LiveSetTree::Node;

// What a live set may take before the next one's turn: at first, and once it has proved hard, when it grows.
constexpr int64_t kEasyWork = 1000;
constexpr int64_t kHardWork = 32000;

// A live set that may hold a better selection than the incumbent.
struct Candidate {
  BreakPoint point;
  int64_t bound = 0;
};

// Walks the tree in preorder with the break point of the live set at hand. On the way down items come and room goes, so
// the break rank only falls: one pass over the ranking per path, and on a chain one pass in all.
class Sweep {
 public:
  Sweep(const Ranking& ranking, int64_t backward_budget)
      : ranking_(ranking), budget_(backward_budget), available_(ranking.entries().size(), 0) {
    path_.push_back({});
    path_.back().point.break_rank = static_cast<int>(ranking.entries().size());
    path_.back().end = std::numeric_limits<int>::max();
  }

  // Calls visit(point) at each live set within the budget that adds items. False if the meter ran out.
  template <typename Visit>
  bool Run(WorkMeter& meter, const Visit& visit) {
    const std::vector<Node>& nodes = ranking_.tree().nodes;
    const int num_nodes = static_cast<int>(nodes.size());
    for (int node = 0; node < num_nodes;) {
      while (path_.back().end <= node) Leave();
      if (nodes[node].cost > budget_) {
        node = nodes[node].subtree_end;
        continue;
      }
      const bool adds_items = ranking_.begin(node) < ranking_.begin(node + 1);
      Enter(node);
      if (!meter.Spend(8 + ranking_.begin(node + 1) - ranking_.begin(node))) return false;
      if (adds_items) visit(path_.back().point);
      ++node;
    }
    return true;
  }

 private:
  struct Place {
    BreakPoint point;
    int end = 0;
  };

  void Enter(int node) {
    const Node& at = ranking_.tree().nodes[node];
    Place place = path_.back();
    BreakPoint& point = place.point;
    place.end = at.subtree_end;
    point.node = node;
    point.room = budget_ - at.cost;
    const Entry* const entries = ranking_.entries().data();
    // Whether an entry counts follows no pattern that a processor could predict: masks instead of branches.
    for (int i = ranking_.begin(node); i < ranking_.begin(node + 1); ++i) {
      const int rank = ranking_.ranks()[i];
      available_[rank] = 1;
      const int64_t mask = -static_cast<int64_t>(rank < point.break_rank);
      point.cost += entries[rank].cost & mask;
      point.value += entries[rank].value & mask;
    }
    while (point.cost > point.room) {
      --point.break_rank;
      const int64_t mask = -static_cast<int64_t>(available_[point.break_rank]);
      point.cost -= entries[point.break_rank].cost & mask;
      point.value -= entries[point.break_rank].value & mask;
    }
    path_.push_back(place);
  }

  void Leave() {
    const int node = path_.back().point.node;
    for (int i = ranking_.begin(node); i < ranking_.begin(node + 1); ++i) available_[ranking_.ranks()[i]] = 0;
    path_.pop_back();
  }

  const Ranking& ranking_;
  const int64_t budget_;
  std::vector<char> available_;  // [num_entries] 1 or 0, by rank.
  std::vector<Place> path_;
};

// What the incumbent selects.
std::vector<bool> MaskOf(const Ranking& ranking, const Incumbent& incumbent, int num_tensors) {
  std::vector<bool> mask(num_tensors, false);
  const auto choose = [&](int bundle, int option) {
    const Ranking::Bundle& of = ranking.bundles()[bundle];
    for (size_t i = 0; i < of.tensors->size(); ++i) mask[(*of.tensors)[i]] = (of.options[option].tensors >> i) & 1;
  };
  const auto apply = [&](int rank, int option) {
    const Entry& entry = ranking.entries()[rank];
    if (entry.bundle != kNone) {
      choose(entry.bundle, option);
    } else {
      mask[entry.tensor] = option == 1;
    }
  };
  for (int rank = 0; rank < incumbent.from.break_rank; ++rank) {
    const Entry& entry = ranking.entries()[rank];
    if (ranking.IsAvailable(entry, incumbent.from.node)) apply(rank, entry.bundle == kNone ? 1 : entry.option);
  }
  for (const auto& [rank, option] : incumbent.changes) apply(rank, option);
  return mask;
}

// Adds what still fits beyond the break point in ranking order.
void FillGreedily(const Ranking& ranking, const BreakPoint& point, Incumbent& incumbent) {
  int64_t cost = point.cost;
  int64_t value = point.value;
  std::vector<std::pair<int, int>> changes;
  const std::vector<Entry>& entries = ranking.entries();
  for (int rank = point.break_rank; rank < static_cast<int>(entries.size()); ++rank) {
    const Entry& entry = entries[rank];
    if (entry.bundle != kNone || entry.cost > point.room - cost || !ranking.IsAvailable(entry, point.node)) continue;
    cost += entry.cost;
    value += entry.value;
    changes.push_back({rank, 1});
  }
  if (value > incumbent.value) incumbent = {point, value, std::move(changes)};
}

}  // namespace

LiveSetResult SearchLiveSets(const Ranking& ranking, int num_tensors, int64_t backward_budget, WorkMeter& meter) {
  const std::vector<Node>& nodes = ranking.tree().nodes;
  Incumbent incumbent;
  incumbent.from.room = backward_budget - nodes[0].cost;
  int64_t relaxed_bound = std::numeric_limits<int64_t>::min();

  // Break points are selections: the best of them tells which live sets are worth a bound.
  std::vector<BreakPoint> points;
  BreakPoint best = incumbent.from;
  int64_t best_value = incumbent.value;
  Sweep sweep(ranking, backward_budget);
  const bool swept = sweep.Run(meter, [&](const BreakPoint& point) {
    points.push_back(point);
    if (point.value <= best_value || nodes[point.node].relaxed) return;
    best = point;
    best_value = point.value;
  });
  if (best_value > incumbent.value) incumbent = {best, best_value, {}};
  std::vector<Candidate> candidates;
  for (const BreakPoint& point : points) {
    if (!CanBeatAtBreak(ranking, point, incumbent.value)) continue;
    const int64_t bound = LinearBound(ranking, point);
    if (nodes[point.node].relaxed) {
      relaxed_bound = std::max(relaxed_bound, bound);
    } else {
      candidates.push_back({point, bound});
    }
  }
  int64_t open_bound = relaxed_bound;
  if (!swept) open_bound = std::max(open_bound, ranking.total_value());

  const auto drop_beaten = [&] {
    candidates.erase(std::remove_if(candidates.begin(), candidates.end(),
                                    [&](const Candidate& c) { return c.bound <= incumbent.value; }),
                     candidates.end());
  };
  drop_beaten();
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.bound > b.bound; });
  if (!candidates.empty()) FillGreedily(ranking, candidates.front().point, incumbent);

  // Hard live sets wait until the easy ones are through.
  CoreSearch core(ranking);
  bool is_hard = false;
  for (int64_t max_work = kEasyWork; !candidates.empty() && !meter.exhausted();) {
    drop_beaten();
    for (Candidate& candidate : candidates) {
      if (candidate.bound <= incumbent.value) continue;
      if (meter.exhausted()) break;
      candidate.bound = std::min(candidate.bound, core.Improve(candidate.point, is_hard, max_work, meter, incumbent));
    }
    drop_beaten();
    max_work = is_hard ? 8 * max_work : kHardWork;
    is_hard = true;
  }
  for (const Candidate& candidate : candidates) open_bound = std::max(open_bound, candidate.bound);

  LiveSetResult result;
  result.value = incumbent.value;
  result.upper_bound = std::max(open_bound, incumbent.value);
  result.trainable = MaskOf(ranking, incumbent, num_tensors);
  return result;
}

int64_t BoundLiveSets(const Ranking& ranking, int64_t backward_budget) {
  const StopFunction never;
  WorkMeter meter(std::numeric_limits<int64_t>::max(), never);
  int64_t bound = 0;
  Sweep(ranking, backward_budget).Run(meter, [&](const BreakPoint& point) {
    bound = std::max(bound, LinearBound(ranking, point));
  });
  return bound;
}

}  // namespace greenplan
