#include "planner/core/byte_limit/priced_live_sets.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace greenplan {
namespace {

// Each step halves the range of orders of magnitude that is in question.
constexpr int kPriceSteps = 25;
// The relative error that is left: 2^(128 / 2^25) - 1, rounded up.
constexpr double kPriceError = 3e-6;

// A pass over many bundles takes milliseconds. It is run often, so it does not ask at each item.
constexpr size_t kItemsBetweenQuestions = 1024;
constexpr int64_t kWorkBetweenQuestions = 8192;

// The lowest number between `low` and `high` for which `is_enough` holds, up to a few millionths: it must hold from
// some number on, and does for `high`.
template <typename Predicate>
double LeastPrice(double low, double high, const Predicate& is_enough) {
  for (int step = 0; step < kPriceSteps && low < high; ++step) {
    const double middle = std::sqrt(low) * std::sqrt(high);
    (is_enough(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace

PricedLiveSets::PricedLiveSets(const LiveSetTree& tree, const std::vector<int64_t>& values, int64_t budget,
                               int64_t max_bytes, WorkMeter& meter)
    : tree_(tree) {
  const int num_live_sets = static_cast<int>(tree.nodes.size());
  parents_.reserve(num_live_sets);
  rooms_.reserve(num_live_sets);
  items_begin_.reserve(num_live_sets + 1);
  items_.reserve(tree.items.size() + 1);
  choices_.reserve(2 * tree.items.size());
  std::vector<int> path;
  for (int node = 0; node < num_live_sets && meter.Pass(1); ++node) {
    while (!path.empty() && tree.nodes[path.back()].subtree_end <= node) path.pop_back();
    parents_.push_back(path.empty() ? kNone : path.back());
    path.push_back(node);
    rooms_.push_back({budget - tree.nodes[node].cost, max_bytes - tree.nodes[node].saved_bytes});
    items_begin_.push_back(static_cast<int>(items_.size()));
    for (int i = tree.nodes[node].items_begin; i < tree.ItemsEnd(node) && !meter.stopped(); ++i) {
      meter.Pass(AddItem(tree.items[i], values));
    }
  }
  items_begin_.push_back(static_cast<int>(items_.size()));
  items_.push_back({.choices_begin = static_cast<int>(choices_.size())});
}

int64_t PricedLiveSets::AddItem(const Item& from, const std::vector<int64_t>& values) {
  PricedItem item{.choices_begin = static_cast<int>(choices_.size())};
  choices_.push_back({});
  if (from.bundle == kNone) {
    item.tensors = &from.tensor;
    item.num_tensors = 1;
    if (values[from.tensor] > 0) choices_.push_back({from.cost, from.saved_bytes, values[from.tensor], 1});
  } else {
    const Bundle& bundle = tree_.bundles[from.bundle];
    item.tensors = bundle.tensors.data();
    item.num_tensors = static_cast<int>(bundle.tensors.size());
    for (const Bundle::Option& option : bundle.options) {
      const std::optional<int64_t> value = WorthOf(bundle, option, values);
      if (value) choices_.push_back({option.cost, option.saved_bytes, *value, option.tensors});
    }
  }
  const int64_t num_choices = static_cast<int64_t>(choices_.size()) - item.choices_begin;
  if (num_choices == 1) {
    choices_.pop_back();
  } else {
    items_.push_back(item);
  }
  return num_choices;
}

void PricedLiveSets::PriceRange::Add(int64_t value, int64_t amount) {
  if (amount == 0) return;
  high = std::max(high, static_cast<double>(value) / static_cast<double>(amount));
  low = high * 0x1p-128;
}

std::vector<int> PricedLiveSets::ItemsOf(int live_set) const {
  std::vector<int> items;
  for (int at = live_set; at != kNone; at = parents_[at]) {
    for (int i = items_begin_[at]; i < items_begin_[at + 1]; ++i) items.push_back(i);
  }
  return items;
}

double PricedLiveSets::ReducedValue(const Choice& choice, const LimitPrices& prices) const {
  return static_cast<double>(choice.value) - prices.cost * static_cast<double>(choice.cost) -
         prices.bytes * static_cast<double>(choice.bytes);
}

int PricedLiveSets::BestChoice(int item, const LimitPrices& prices) const {
  int best = items_[item].choices_begin;
  double best_value = 0;
  for (int c = best + 1; c < ChoicesEnd(item); ++c) {
    const double value = ReducedValue(choices_[c], prices);
    if (value > best_value) {
      best = c;
      best_value = value;
    }
  }
  return best;
}

void PricedLiveSets::BoundAll(const LimitPrices& prices, WorkMeter& meter, std::vector<double>& bounds) const {
  // For the items on the way to each live set: the sum of their best reduced values, and the magnitude of what was
  // added up.
  std::vector<double> gains(rooms_.size()), magnitudes(rooms_.size());
  // How far such a sum may be off, relative to the magnitudes.
  const double rounding = 2 * static_cast<double>(items_.size() + 4) * std::numeric_limits<double>::epsilon();
  bounds.assign(rooms_.size(), -std::numeric_limits<double>::infinity());
  for (int node = 0; node < num_live_sets() && meter.Pass(1); ++node) {
    double gain = parents_[node] == kNone ? 0 : gains[parents_[node]];
    double magnitude = parents_[node] == kNone ? 0 : magnitudes[parents_[node]];
    for (int i = items_begin_[node]; i < items_begin_[node + 1] && PassItem(i, meter); ++i) {
      const Choice& best = choices_[BestChoice(i, prices)];
      gain += ReducedValue(best, prices);
      magnitude += static_cast<double>(best.value);
    }
    gains[node] = gain;
    magnitudes[node] = magnitude;
    const Room& room = rooms_[node];
    if (!room.fits()) continue;
    const double of_room =
        prices.cost * static_cast<double>(room.cost) + prices.bytes * static_cast<double>(room.bytes);
    bounds[node] = of_room + gain + rounding * (of_room + magnitude);
  }
}

PricedLiveSets::Totals PricedLiveSets::BestTotals(const std::vector<int>& items, const LimitPrices& prices,
                                                  WorkMeter& meter) const {
  Totals totals;
  meter.Spend(static_cast<int64_t>(items.size()));
  for (size_t i = 0; i < items.size(); ++i) {
    if ((i + 1) % kItemsBetweenQuestions == 0 && !meter.Pass(kWorkBetweenQuestions)) break;
    const Choice& best = choices_[BestChoice(items[i], prices)];
    totals.cost += static_cast<double>(best.cost);
    totals.bytes += static_cast<double>(best.bytes);
  }
  return totals;
}

// The bound is convex in each price, and falls with it while the best choices exceed what it prices.
double PricedLiveSets::BestCostPrice(const std::vector<int>& items, int64_t room, double byte_price,
                                     const PriceRange& range, WorkMeter& meter) const {
  const auto fits = [&](double price) {
    return BestTotals(items, {price, byte_price}, meter).cost <= static_cast<double>(room);
  };
  return fits(0) ? 0 : LeastPrice(range.low, range.high, fits);
}

LimitPrices PricedLiveSets::BestPrices(int live_set, WorkMeter& meter) const {
  const std::vector<int> items = ItemsOf(live_set);
  const Room& room = rooms_[live_set];
  // No choice is worth its cost, or its bytes, at a higher price.
  PriceRange of_cost, of_bytes;
  for (int i : items) {
    if (!PassItem(i, meter)) return {};
    for (int c = items_[i].choices_begin + 1; c < ChoicesEnd(i); ++c) {
      of_cost.Add(choices_[c].value, choices_[c].cost);
      of_bytes.Add(choices_[c].value, choices_[c].bytes);
    }
  }
  const auto prices_at = [&](double byte_price) {
    return LimitPrices{BestCostPrice(items, room.cost, byte_price, of_cost, meter), byte_price};
  };
  // Where the cost's room ends within an item, a share of it is taken: the slope of the bound in the byte price is what
  // the bytes' room exceeds those of that mixture by.
  const auto fits = [&](double byte_price) {
    const LimitPrices prices = prices_at(byte_price);
    const Totals above = BestTotals(items, prices, meter);
    const Totals below = BestTotals(items, {prices.cost * (1 - kPriceError), byte_price}, meter);
    if (below.cost <= static_cast<double>(room.cost)) return above.bytes <= static_cast<double>(room.bytes);
    const double share = (static_cast<double>(room.cost) - above.cost) / (below.cost - above.cost);
    return above.bytes + share * (below.bytes - above.bytes) <= static_cast<double>(room.bytes);
  };
  return prices_at(fits(0) ? 0 : LeastPrice(of_bytes.low, of_bytes.high, fits));
}

}  // namespace greenplan
