#include "planner/core/knapsack/live_set_search.h"

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
constexpr int64_t kMostWork = int64_t{1} << 50;

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
      const int from = path_.back().point.break_rank;
      Enter(node);
      const int num_moves = from - path_.back().point.break_rank;
      if (!meter.Spend(8 + ranking_.begin(node + 1) - ranking_.begin(node) + num_moves / 8)) return false;
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

LiveSetSearch::LiveSetSearch(const Ranking& ranking, int num_tensors)
    : ranking_(ranking), num_tensors_(num_tensors), core_(ranking) {}

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
  // That, and a greedy filling, take time on large trees; a plan's work limit need not count them.
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
      if (!ranking_.IsAvailable(entry, point.node)) continue;
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
  // Of break points of the same value the first counts, as in a sweep.
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
      candidate.bound = std::min(candidate.bound, core_.Improve(candidate.point, is_hard, max_work, meter, incumbent_));
      candidate.is_given_up = is_hard && core_.is_full();
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
