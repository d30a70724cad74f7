#include "planner/core/knapsack/ranking.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "planner/core/knapsack/radix_sort.h"

namespace greenplan {
namespace {

using Entry = Ranking::Entry;
using Option = Ranking::Option;

constexpr int64_t kMovesPerEntry = 16;
// Items between two questions to the meter.
constexpr int64_t kItemsBetweenSpends = 1024;

// Whether a's value per cost exceeds b's, exactly.
bool HasHigherRatio(const Entry& a, const Entry& b) {
  return static_cast<__int128>(a.value) * b.cost > static_cast<__int128>(b.value) * a.cost;
}

// Keeps the options that no cheaper or equally cheap one matches in value, by rising cost.
void KeepUndominated(std::vector<Option>& options) {
  std::sort(options.begin(), options.end(), [](const Option& a, const Option& b) {
    if (a.cost != b.cost) return a.cost < b.cost;
    if (a.value != b.value) return a.value > b.value;
    return a.tensors < b.tensors;
  });
  size_t kept = 0;
  for (const Option& option : options) {
    if (kept == 0 || option.value > options[kept - 1].value) options[kept++] = option;
  }
  options.resize(kept);
}

// Indices of the options on the upper concave hull, options[0] first.
std::vector<int> HullOf(const std::vector<Option>& options) {
  std::vector<int> hull;
  hull.reserve(options.size());
  for (int i = 0; i < static_cast<int>(options.size()); ++i) {
    const auto slope_is_lower = [&](int a, int b, int c) {  // Of a to b than of b to c.
      return static_cast<__int128>(options[b].value - options[a].value) * (options[c].cost - options[b].cost) <=
             static_cast<__int128>(options[c].value - options[b].value) * (options[b].cost - options[a].cost);
    };
    while (hull.size() >= 2 && slope_is_lower(hull[hull.size() - 2], hull.back(), i)) hull.pop_back();
    hull.push_back(i);
  }
  return hull;
}

// Doubles that are further apart than this many units in the last place tell ratios apart: value, cost and quotient are
// each off by half a unit at most.
constexpr uint64_t kMostRounding = 8;

// More than any ratio, since values are below 2^62.
constexpr double kRatioOfFreeEntry = 0x1p63;

// A key that orders entries by falling value per cost, up to rounding. Free entries come first.
uint64_t KeyOf(const Entry& entry) {
  if (entry.cost == 0) return FallingKey(kRatioOfFreeEntry);
  return FallingKey(static_cast<double>(entry.value) / static_cast<double>(entry.cost));
}

// Puts right what the order by double ratios, each right up to its rounding, leaves out of the exact order. That is
// next to nothing, unless ratios were chosen to differ by less than that: false if it takes more moves than a sort
// would. `order`, the number of each entry, moves along. `close`: the ranks, ascending, whose ratio rounding may have
// put behind that of the rank before.
bool PutRight(const std::vector<size_t>& close, std::vector<Entry>& entries, std::vector<int>& order) {
  int64_t moves_left = kMovesPerEntry * static_cast<int64_t>(entries.size());
  for (const size_t i : close) {
    if (!HasHigherRatio(entries[i], entries[i - 1])) continue;
    const Entry moved = entries[i];
    const int number = order[i];
    size_t at = i;
    for (; at > 0 && HasHigherRatio(moved, entries[at - 1]); --at) {
      entries[at] = entries[at - 1];
      order[at] = order[at - 1];
    }
    entries[at] = moved;
    order[at] = number;
    moves_left -= static_cast<int64_t>(i - at);
    if (moves_left <= 0) return false;
  }
  return true;
}

}  // namespace

Ranking::Ranking(const LiveSetTree& tree, const std::vector<int64_t>& values, WorkMeter& meter) : tree_(tree) {
  total_value_ = std::accumulate(values.begin(), values.end(), int64_t{0},
                                 [](int64_t sum, int64_t value) { return sum + std::max<int64_t>(0, value); });
  entries_.reserve(tree.items.size());
  const int num_nodes = static_cast<int>(tree.nodes.size());
  node_begin_.resize(num_nodes + 1);
  int64_t work = 0;  // Not charged yet.
  for (int node = 0; node < num_nodes; ++node) {
    node_begin_[node] = static_cast<int>(entries_.size());
    const int items_begin = tree.nodes[node].items_begin;
    const int items_end = tree.ItemsEnd(node);
    work += items_end - items_begin;
    if (work > kItemsBetweenSpends) {
      meter.Spend(std::exchange(work, 0));
      if (meter.stopped()) break;
    }
    for (int i = items_begin; i < items_end; ++i) {
      const Item& item = tree.items[i];
      if (item.bundle != kNone) {
        work += static_cast<int64_t>(tree.bundles[item.bundle].options.size());
        AddBundle(node, tree.bundles[item.bundle], values);
      } else if (const int64_t value = values[item.tensor]; value > 0) {
        entries_.push_back({.cost = item.cost,
                            .value = value,
                            .node = node,
                            .node_end = tree.nodes[node].subtree_end,
                            .tensor = item.tensor});
      }
    }
  }
  node_begin_[num_nodes] = static_cast<int>(entries_.size());
  meter.Spend(work);
  Sort(meter);
}

int64_t Ranking::MemoryBytes() const {
  size_t bytes = entries_.capacity() * sizeof(Entry) + bundles_.capacity() * sizeof(RankedBundle) +
                 (ranks_.capacity() + node_begin_.capacity()) * sizeof(int);
  for (const RankedBundle& bundle : bundles_) bytes += bundle.options.capacity() * sizeof(Option);
  return static_cast<int64_t>(bytes);
}

void Ranking::AddBundle(int node, const Bundle& bundle, const std::vector<int64_t>& values) {
  std::vector<Option> options{{}};
  options.reserve(bundle.options.size() + 1);
  for (const Bundle::Option& option : bundle.options) {
    const std::optional<int64_t> value = WorthOf(bundle, option, values);
    if (value) options.push_back({option.cost, *value, option.tensors});
  }
  KeepUndominated(options);
  // Nothing may be worth taking, and something may be free.
  const std::vector<int> hull = HullOf(options);
  Entry step{.node = node, .node_end = tree_.nodes[node].subtree_end, .bundle = static_cast<int>(bundles_.size())};
  if (options.front().value > 0) {
    step.value = options.front().value;
    step.option = 1;
    entries_.push_back(step);
  }
  const int shift = options.front().value > 0 ? 1 : 0;
  for (size_t i = 1; i < hull.size(); ++i) {
    const Option& from = options[hull[i - 1]];
    const Option& to = options[hull[i]];
    step.cost = to.cost - from.cost;
    step.value = to.value - from.value;
    step.option = hull[i] + shift;
    step.from = hull[i - 1] + shift;
    entries_.push_back(step);
  }
  if (shift == 1) options.insert(options.begin(), Option{});
  if (options.size() > 1) bundles_.push_back({std::move(options), &bundle.tensors});
}

void Ranking::Sort(WorkMeter& meter) {
  const int n = static_cast<int>(entries_.size());
  meter.Spend(n);
  if (meter.stopped()) return;
  std::vector<uint64_t> keys(n);
  std::transform(entries_.begin(), entries_.end(), keys.begin(), KeyOf);
  std::vector<int> order = OrderByKey(keys);
  meter.Spend(4 * int64_t{n});
  if (meter.stopped()) return;
  std::vector<Entry> sorted(n);
  std::vector<size_t> close;
  const uint64_t free_key = FallingKey(kRatioOfFreeEntry);
  uint64_t last_key = free_key;
  for (int rank = 0; rank < n; ++rank) {
    sorted[rank] = entries_[order[rank]];
    const uint64_t key = keys[order[rank]];
    if (key - last_key <= kMostRounding && key != free_key) close.push_back(rank);
    last_key = key;
  }
  if (!meter.Pass(n)) return;
  if (!PutRight(close, sorted, order)) {
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return HasHigherRatio(entries_[a], entries_[b]); });
    for (int rank = 0; rank < n; ++rank) sorted[rank] = entries_[order[rank]];
  }
  if (!meter.Pass(n)) return;
  ranks_.resize(n);
  for (int rank = 0; rank < n; ++rank) ranks_[order[rank]] = rank;
  entries_ = std::move(sorted);
  meter.Spend(4 * int64_t{n});
}

}  // namespace greenplan
