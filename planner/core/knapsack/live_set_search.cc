#include "planner/core/knapsack/live_set_search.h"

#include <algorithm>
#include <limits>
#include <span>

namespace greenplan {
namespace {

using Entry = Ranking::Entry;
using Node = LiveSetTree::Node;

// The work that a live set may take before it is the next one's turn: at first, and once it has proved hard. The latter
// grows from turn to turn.
constexpr int64_t kEasyWork = 1000;
constexpr int64_t kHardWork = 32000;
constexpr int64_t kMostWork = int64_t{1} << 50;

// Walks the tree in preorder with the break point of the live set at hand. On the way down items come and room goes, so
// the break rank only falls: one pass over the ranking per path, and on a chain one pass in all.
class Sweep {
 public:
  Sweep(const Ranking& ranking, int64_t backward_budget)
      : ranking_(ranking), budget_(backward_budget), available_(ranking.entries().size(), 0) {
    path_.reserve(ranking.tree().nodes.size() + 1);
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
      const Node& at = nodes[node];
      if (at.cost > budget_) {
        node = at.subtree_end;
        continue;
      }
      const BreakPoint& above = path_.back().point;
      const std::span<const int> ranks = ranking_.RanksOf(node);
      const BreakPoint point = MoveDown(above, node, budget_ - at.cost, ranks);
      if (!meter.Spend(8 + static_cast<int64_t>(ranks.size()) + (above.break_rank - point.break_rank) / 8)) {
        return false;
      }
      if (!ranks.empty()) visit(point);
      path_.push_back({point, at.subtree_end});
      ++node;
    }
    return true;
  }

 private:
  struct Place {
    BreakPoint point;
    int end = 0;
  };

  // Returns the break point of `node` from the one of the live set above it: the entries of `ranks` come, and only
  // `room` is left. The values are in local variables, because a store to available_ might change any others for all
  // that a compiler knows.
  BreakPoint MoveDown(const BreakPoint& above, int node, int64_t room, std::span<const int> ranks) {
    const Entry* const entries = ranking_.entries().data();
    char* const available = available_.data();
    int break_rank = above.break_rank;
    int64_t cost = above.cost;
    int64_t value = above.value;
    // Whether an entry counts follows no pattern that a processor could predict: masks instead of branches.
    for (const int rank : ranks) {
      available[rank] = 1;
      const int64_t mask = -static_cast<int64_t>(rank < break_rank);
      cost += entries[rank].cost & mask;
      value += entries[rank].value & mask;
    }
    while (cost > room) {
      --break_rank;
      const int64_t mask = -static_cast<int64_t>(available[break_rank]);
      cost -= entries[break_rank].cost & mask;
      value -= entries[break_rank].value & mask;
    }
    return {.node = node, .break_rank = break_rank, .cost = cost, .value = value, .room = room};
  }

  void Leave() {
    for (const int rank : ranking_.RanksOf(path_.back().point.node)) available_[rank] = 0;
    path_.pop_back();
  }

  const Ranking& ranking_;
  const int64_t budget_;
  std::vector<char> available_;  // [num_entries] 1 or 0, by rank.
  std::vector<Place> path_;
};

// Adds what still fits beyond the break point in ranking order.
void FillGreedily(const Ranking& ranking, const BreakPoint& point, Incumbent& incumbent) {
  int64_t cost = point.cost;
  int64_t value = point.value;
  std::vector<std::pair<int, int>> changes;
  const std::vector<Entry>& entries = ranking.entries();
  for (int rank = point.break_rank; rank < static_cast<int>(entries.size()); ++rank) {
    const Entry& entry = entries[rank];
    if (entry.bundle != kNone || entry.cost > point.room - cost || !entry.IsAvailableTo(point.node)) continue;
    cost += entry.cost;
    value += entry.value;
    changes.push_back({rank, 1});
  }
  if (value > incumbent.value) incumbent = {point, value, std::move(changes)};
}

}  // namespace

LiveSetSearch::LiveSetSearch(const Ranking& ranking, int num_tensors)
    : ranking_(ranking), num_tensors_(num_tensors), search_(ranking) {}

LiveSetResult LiveSetSearch::Run(int64_t backward_budget, WorkMeter& meter) {
  incumbent_ = {};
  incumbent_.from.room = backward_budget - ranking_.tree().nodes[0].cost;
  if (is_swept_ && backward_budget <= budget_) {
    NarrowPoints(backward_budget, meter);
  } else {
    SweepPoints(backward_budget, meter);
  }
  budget_ = backward_budget;
  best_node_ = incumbent_.from.node;
  CollectCandidates();
  // This and the greedy filling take time on large trees. The stop function is asked for them, but they are not
  // charged.
  meter.Pass(static_cast<int64_t>(points_.size() + ranking_.entries().size()) / 4);
  if (!candidates_.empty() && !meter.stopped()) FillGreedily(ranking_, candidates_.front().point, incumbent_);
  SearchCandidates(meter);
  LiveSetResult result;
  result.value = incumbent_.value;
  result.upper_bound = std::max(OpenBound(), incumbent_.value);
  result.trainable = MaskOf(ranking_, incumbent_, num_tensors_);
  return result;
}

void LiveSetSearch::SweepPoints(int64_t backward_budget, WorkMeter& meter) {
  points_.clear();
  points_.reserve(ranking_.tree().nodes.size());
  Sweep sweep(ranking_, backward_budget);
  is_swept_ = sweep.Run(meter, [&](const BreakPoint& point) {
    points_.push_back(point);
    TakeUp(point);
  });
}

// A live set's linear bound is concave in the budget, so the one at a higher budget, followed down along the ratio at
// its break point, still bounds it: only break points that then beat the incumbent move.
void LiveSetSearch::NarrowPoints(int64_t backward_budget, WorkMeter& meter) {
  const std::vector<Node>& nodes = ranking_.tree().nodes;
  for (BreakPoint& point : points_) point.room = backward_budget - nodes[point.node].cost;
  points_.erase(std::remove_if(points_.begin(), points_.end(), [](const BreakPoint& point) { return point.room < 0; }),
                points_.end());
  meter.Spend(static_cast<int64_t>(points_.size()));
  const auto move_down = [&](BreakPoint& point) {
    const int from = point.break_rank;
    while (point.cost > point.room) {
      const Entry& entry = ranking_.entries()[--point.break_rank];
      if (!entry.IsAvailableTo(point.node)) continue;
      point.cost -= entry.cost;
      point.value -= entry.value;
    }
    meter.Spend(from - point.break_rank);
    TakeUp(point);
  };
  // The live set that was best is a good one to beat.
  for (BreakPoint& point : points_) {
    if (point.node == best_node_) move_down(point);
  }
  // After a stop the other points stay above their room. Their bounds hold all the same.
  for (BreakPoint& point : points_) {
    if (meter.stopped()) return;
    if (CanBeatAtBreak(ranking_, point, incumbent_.value)) move_down(point);
  }
  // Among break points of the same value the first one counts, as in a sweep.
  for (BreakPoint& point : points_) {
    if (nodes[point.node].relaxed || !CanBeatAtBreak(ranking_, point, incumbent_.value - 1)) continue;
    move_down(point);
    if (point.value != incumbent_.value) continue;
    incumbent_.from = point;
    break;
  }
}

// Break points are selections: the best of them tells which live sets are worth a bound.
void LiveSetSearch::TakeUp(const BreakPoint& point) {
  if (point.value <= incumbent_.value || ranking_.tree().nodes[point.node].relaxed) return;
  incumbent_.from = point;
  incumbent_.value = point.value;
}

void LiveSetSearch::CollectCandidates() {
  candidates_.clear();
  relaxed_bound_ = std::numeric_limits<int64_t>::min();
  for (const BreakPoint& point : points_) {
    if (!CanBeatAtBreak(ranking_, point, incumbent_.value)) continue;
    const int64_t bound = LinearBound(ranking_, point);
    if (ranking_.tree().nodes[point.node].relaxed) {
      relaxed_bound_ = std::max(relaxed_bound_, bound);
    } else {
      candidates_.push_back({point, bound});
    }
  }
  DropBeaten();
  std::stable_sort(candidates_.begin(), candidates_.end(),
                   [](const Candidate& a, const Candidate& b) { return a.bound > b.bound; });
}

void LiveSetSearch::DropBeaten() {
  candidates_.erase(std::remove_if(candidates_.begin(), candidates_.end(),
                                   [&](const Candidate& c) { return c.bound <= incumbent_.value; }),
                    candidates_.end());
}

// Hard live sets wait until the easy ones are through.
void LiveSetSearch::SearchCandidates(WorkMeter& meter) {
  const auto is_open = [](const Candidate& candidate) { return !candidate.is_given_up; };
  bool is_hard = false;
  int64_t max_work = kEasyWork;
  while (!meter.exhausted() && std::any_of(candidates_.begin(), candidates_.end(), is_open)) {
    for (Candidate& candidate : candidates_) {
      if (candidate.bound <= incumbent_.value || candidate.is_given_up) continue;
      if (meter.exhausted()) break;
      candidate.bound =
          std::min(candidate.bound, search_.Improve(candidate.point, is_hard, max_work, meter, incumbent_));
      candidate.is_given_up = is_hard && search_.is_full();
    }
    DropBeaten();
    max_work = is_hard ? std::min(8 * max_work, kMostWork) : kHardWork;
    is_hard = true;
  }
}

int64_t LiveSetSearch::OpenBound() const {
  int64_t bound = relaxed_bound_;
  if (!is_swept_) bound = std::max(bound, ranking_.total_value());
  for (const Candidate& candidate : candidates_) bound = std::max(bound, candidate.bound);
  return bound;
}

int64_t BoundLiveSets(const Ranking& ranking, int64_t backward_budget, WorkMeter& meter) {
  int64_t bound = 0;
  const bool is_complete = Sweep(ranking, backward_budget).Run(meter, [&](const BreakPoint& point) {
    bound = std::max(bound, LinearBound(ranking, point));
  });
  return is_complete ? bound : ranking.total_value();
}

}  // namespace greenplan
