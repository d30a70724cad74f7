#include "planner/core/selection/best_ratio.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "planner/core/graph/op_graph.h"
#include "planner/core/knapsack/knapsack_search.h"
#include "planner/core/selection/minimum_cut.h"

namespace greenplan {
namespace {

using Entry = Ranking::Entry;
using Node = LiveSetTree::Node;

constexpr __int128 kNothing = std::numeric_limits<int64_t>::min();

// What a unit of cost has to bring: value / cost, as a fraction of whole numbers.
struct Price {
  int64_t value = 0;
  int64_t cost = 1;

  // What is left of `value` after paying `cost` at this price, times this->cost. Below 2^124 in magnitude.
  __int128 Gain(int64_t of_value, int64_t of_cost) const {
    return static_cast<__int128>(cost) * of_value - static_cast<__int128>(value) * of_cost;
  }
};

// A bound on the best ratio: if no selection gains more than `most` at `price`, and none of positive value costs less
// than `least_cost`, then value <= price * cost + most / price.cost for each. Rounded up.
double RatioBound(const Price& price, __int128 most, int64_t least_cost) {
  const double above = static_cast<double>(std::max<__int128>(0, most)) / static_cast<double>(least_cost);
  const double bound = (static_cast<double>(price.value) + above) / static_cast<double>(price.cost);
  return bound * (1 + 8 * std::numeric_limits<double>::epsilon());
}

class LiveSetRatioSearch {
 public:
  LiveSetRatioSearch(const Ranking& ranking, int num_tensors, const RatioBase& base, WorkMeter& meter)
      : ranking_(ranking),
        nodes_(ranking.tree().nodes),
        num_tensors_(num_tensors),
        base_(base),
        root_cost_(base.cost + nodes_[0].cost),
        meter_(meter) {}

  RatioResult Run() {
    result_.trainable.assign(num_tensors_, false);
    result_.value = base_.value;
    result_.cost = root_cost_;
    const double total = static_cast<double>(base_.value) + static_cast<double>(ranking_.total_value());
    result_.ratio_bound = std::max(0.0, total) / static_cast<double>(LeastCost()) * (1 + 0x1p-50);
    if (root_cost_ == 0 && TakeWhatIsFree()) return std::move(result_);
    Price price;
    while (std::optional<Best> best = FindBest(price)) {
      result_.ratio_bound =
          std::min(result_.ratio_bound, RatioBound(price, std::max(best->gain, best->relaxed_gain), LeastCost()));
      const bool is_last = best->gain <= 0;
      // A gain of 0 is the same ratio. Below 0, which takes a base of nothing, it is a lower one.
      if (best->gain > 0 || (best->gain == 0 && best->cost <= result_.cost)) Take(*best);
      if (is_last) {
        TakeCheaperSingle(price);
        result_.is_proved = best->relaxed_gain <= 0;
        break;
      }
      price = {result_.value, result_.cost};
    }
    return std::move(result_);
  }

 private:
  // The live set, and what to select in it, that gains most at a price.
  struct Best {
    int node = kNone;  // None has a positive value.
    int break_rank = 0;
    int64_t value = 0;
    int64_t cost = 0;
    __int128 gain = kNothing;
    __int128 relaxed_gain = kNothing;  // The most that a relaxed node may gain.
  };

  int64_t LeastCost() const { return std::max<int64_t>(1, root_cost_); }

  // Calls visit(node, value, cost) for each live set with what its entries of rank < break_rank, the live set and the
  // base are worth and cost together. False if the meter ran out.
  template <typename Visit>
  bool Sweep(int break_rank, const Visit& visit) {
    struct Place {
      int64_t value;
      int64_t cost;  // Without the live set's.
      int end;
    };
    std::vector<Place> path = {{base_.value, base_.cost, std::numeric_limits<int>::max()}};
    const int num_nodes = static_cast<int>(nodes_.size());
    for (int node = 0; node < num_nodes; ++node) {
      while (path.back().end <= node) path.pop_back();
      Place place = path.back();
      place.end = nodes_[node].subtree_end;
      const std::span<const int> ranks = ranking_.RanksOf(node);
      for (const int rank : ranks) {
        if (rank >= break_rank) continue;
        place.value += ranking_.entries()[rank].value;
        place.cost += ranking_.entries()[rank].cost;
      }
      if (!meter_.Spend(2 + static_cast<int64_t>(ranks.size()))) return false;
      visit(node, place.value, place.cost + nodes_[node].cost);
      path.push_back(place);
    }
    return true;
  }

  // The number of entries that are worth more than they cost at `price`: they come first in the ranking.
  int BreakRank(const Price& price) const {
    const std::vector<Entry>& entries = ranking_.entries();
    const auto is_worth_it = [&](const Entry& entry) { return price.Gain(entry.value, entry.cost) > 0; };
    return static_cast<int>(std::partition_point(entries.begin(), entries.end(), is_worth_it) - entries.begin());
  }

  // Nullopt if the meter ran out.
  std::optional<Best> FindBest(const Price& price) {
    Best best{.break_rank = BreakRank(price)};
    const bool is_complete = Sweep(best.break_rank, [&](int node, int64_t value, int64_t cost) {
      const __int128 gain = price.Gain(value, cost);
      if (nodes_[node].relaxed) {
        if (value > 0) best.relaxed_gain = std::max(best.relaxed_gain, gain);
        return;
      }
      if (value <= 0 || gain < best.gain || (gain == best.gain && cost >= best.cost)) return;
      best.node = node;
      best.value = value;
      best.cost = cost;
      best.gain = gain;
    });
    if (!is_complete) return std::nullopt;
    return best;
  }

  void Take(const Best& best) { Take(best, {}); }
  void Take(const Best& best, std::vector<std::pair<int, int>> changes) {
    Incumbent incumbent;
    incumbent.from.node = best.node;
    incumbent.from.break_rank = best.break_rank;
    incumbent.changes = std::move(changes);
    result_.trainable = MaskOf(ranking_, incumbent, num_tensors_);
    result_.value = best.value;
    result_.cost = best.cost;
  }

  // Where the base costs nothing, a selection that costs nothing has no finite ratio: the one of highest value is best.
  // True if there is one of positive value, or the meter ran out.
  bool TakeWhatIsFree() {
    const std::vector<Entry>& entries = ranking_.entries();
    const auto is_free = [](const Entry& entry) { return entry.cost == 0; };
    Best best;
    best.break_rank = static_cast<int>(std::partition_point(entries.begin(), entries.end(), is_free) - entries.begin());
    const bool is_complete = Sweep(best.break_rank, [&](int node, int64_t value, int64_t cost) {
      if (cost > 0 || value <= best.value || nodes_[node].relaxed) return;
      best.node = node;
      best.value = value;
    });
    if (!is_complete) return true;
    if (best.node == kNone) return false;
    Take(best);
    result_.is_proved = ranking_.tree().is_complete;
    return true;
  }

  // Where the base neither costs nor gains anything, one entry alone may have the best ratio too, and cost less. It
  // gains 0 at the best price, so that FindBest passes it over.
  void TakeCheaperSingle(const Price& price) {
    if (root_cost_ != 0 || base_.value != 0 || result_.value <= 0) return;
    const std::vector<Entry>& entries = ranking_.entries();
    for (int rank = BreakRank(price); rank < static_cast<int>(entries.size()); ++rank) {
      const Entry& entry = entries[rank];
      if (price.Gain(entry.value, entry.cost) < 0) break;
      if (nodes_[entry.node].cost != 0 || nodes_[entry.node].relaxed) continue;
      Best single{.node = entry.node, .break_rank = 0};
      if (entry.bundle == kNone) {
        single.value = entry.value;
        single.cost = entry.cost;
        if (single.cost < result_.cost) Take(single, {{rank, 1}});
        continue;
      }
      const std::vector<Ranking::Option>& options = ranking_.bundles()[entry.bundle].options;
      for (int i = 0; i < static_cast<int>(options.size()); ++i) {
        single.value = options[i].value;
        single.cost = options[i].cost;
        const bool is_best = single.value > 0 && price.Gain(single.value, single.cost) == 0;
        if (is_best && single.cost < result_.cost) Take(single, {{rank, i}});
      }
    }
  }

  const Ranking& ranking_;
  const std::vector<Node>& nodes_;
  const int num_tensors_;
  const RatioBase base_;
  const int64_t root_cost_;  // Of the base and of the root's live set.
  WorkMeter& meter_;
  RatioResult result_;
};

class ClosureRatioSearch {
 public:
  ClosureRatioSearch(OpGraph graph, int64_t root_cost, const std::vector<int64_t>& values, const RatioBase& base,
                     RatioResult known, WorkMeter& meter)
      : graph_(std::move(graph)),
        values_(values),
        base_value_(base.value),
        base_cost_(base.cost + root_cost),
        meter_(meter),
        result_(std::move(known)),
        held_(meter) {}

  RatioResult Run() {
    if (base_cost_ == 0 && TakeWhatIsFree()) return std::move(result_);
    if (meter_.exhausted() || !held_.Grow(MinimumCut<__int128>::BytesFor(graph_))) return std::move(result_);
    MinimumCut<__int128> cut(graph_);
    Price price;
    if (result_.value > 0 && result_.cost > 0) price = {result_.value, result_.cost};
    while (Improve(cut, price)) price = {result_.value, result_.cost};
    return std::move(result_);
  }

 private:
  // Looks for a selection that gains something at `price`. False if there is none, which proves the result, or the
  // meter ran out.
  bool Improve(MinimumCut<__int128>& cut, const Price& price) {
    meter_.Spend(static_cast<int64_t>(graph_.size() + graph_.items.size()));
    std::vector<__int128> gains(graph_.size(), 0), costs(graph_.size());
    __int128 at_once = price.Gain(base_value_, base_cost_);
    for (int op = 0; op < graph_.size(); ++op) costs[op] = static_cast<__int128>(price.value) * graph_.cost[op];
    for (const OpGraph::HungItem& hung : graph_.items) {
      const __int128 gain = GainOf(hung, price);
      if (gain > 0) (hung.op == kNone ? at_once : gains[hung.op]) += gain;
    }
    std::vector<bool> closure;
    const __int128 most = at_once + cut.MaximumClosure(gains, costs, meter_, closure);
    result_.ratio_bound = std::min(result_.ratio_bound, RatioBound(price, most, std::max<int64_t>(1, base_cost_)));
    if (meter_.exhausted()) return false;
    RatioResult found = Select(closure, [&](const OpGraph::HungItem& hung) { return GainOf(hung, price) > 0; });
    // Among selections with the best ratio, the one in the smallest closure is the cheapest.
    if (found.value > 0 && (most > 0 || found.cost <= result_.cost)) Take(std::move(found));
    result_.is_proved = most <= 0;
    return most > 0;
  }

  __int128 GainOf(const OpGraph::HungItem& hung, const Price& price) const {
    return price.Gain(values_[hung.item.tensor], hung.item.cost);
  }

  // See LiveSetRatioSearch.
  bool TakeWhatIsFree() {
    std::vector<bool> is_free(graph_.size());
    for (int op = 0; op < graph_.size(); ++op) {
      is_free[op] = graph_.cost[op] == 0;
      for (int i = graph_.parents_begin[op]; i < graph_.parents_begin[op + 1]; ++i) {
        if (!is_free[graph_.parents[i]]) is_free[op] = false;
      }
    }
    meter_.Spend(static_cast<int64_t>(graph_.size() + graph_.parents.size() + graph_.items.size()));
    RatioResult found = Select(is_free, [](const OpGraph::HungItem& hung) { return hung.item.cost == 0; });
    if (found.value <= 0) return false;
    Take(std::move(found));
    result_.is_proved = true;
    return true;
  }

  // The selection of the items in `closure` ([num_ops]) for which `is_taken` holds.
  template <typename IsTaken>
  RatioResult Select(const std::vector<bool>& closure, const IsTaken& is_taken) const {
    RatioResult selection{.value = base_value_, .cost = base_cost_};
    selection.trainable.assign(values_.size(), false);
    for (int op = 0; op < graph_.size(); ++op) selection.cost += closure[op] ? graph_.cost[op] : 0;
    for (const OpGraph::HungItem& hung : graph_.items) {
      const int64_t value = values_[hung.item.tensor];
      if (value <= 0 || (hung.op != kNone && !closure[hung.op]) || !is_taken(hung)) continue;
      selection.value += value;
      selection.cost += hung.item.cost;
      selection.trainable[hung.item.tensor] = true;
    }
    return selection;
  }

  void Take(RatioResult found) {
    found.ratio_bound = result_.ratio_bound;
    result_ = std::move(found);
  }

  const OpGraph graph_;
  const std::vector<int64_t>& values_;
  const int64_t base_value_;
  const int64_t base_cost_;  // With the live ops that are paid already.
  WorkMeter& meter_;
  RatioResult result_;
  HeldBytes held_;
};

}  // namespace

RatioResult SearchBestRatio(const Ranking& ranking, int num_tensors, const RatioBase& base, WorkMeter& meter) {
  return LiveSetRatioSearch(ranking, num_tensors, base, meter).Run();
}

RatioResult ImproveBestRatioByClosures(const ModelProfile& profile, const std::vector<bool>& live, int64_t root_cost,
                                       const std::vector<bool>& excluded, const std::vector<int64_t>& values,
                                       const RatioBase& base, RatioResult known, WorkMeter& meter) {
  OpGraph graph = MakeOpGraph(profile, live, excluded, {}, meter);
  if (meter.stopped()) return known;
  return ClosureRatioSearch(std::move(graph), root_cost, values, base, std::move(known), meter).Run();
}

}  // namespace greenplan
