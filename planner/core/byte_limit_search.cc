#include "planner/core/byte_limit_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "planner/core/ranking.h"

namespace greenplan {
namespace {

using Node = LiveSetTree::Node;

constexpr int kPriceSteps = 40;

// One way to select from an item. Options of an item are rising in cost; the first selects nothing.
struct Choice {
  int64_t cost = 0;
  int64_t bytes = 0;
  int64_t value = 0;
  uint32_t tensors = 0;  // Of the item's.
};
struct PricedItem {
  int node = 0;
  const int* tensors = nullptr;
  int num_tensors = 0;
  std::vector<Choice> choices;
};

// The items that are worth something, in tree order.
std::vector<PricedItem> ItemsOf(const LiveSetTree& tree, const std::vector<int64_t>& values) {
  std::vector<PricedItem> items;
  for (int node = 0; node < static_cast<int>(tree.nodes.size()); ++node) {
    for (int i = tree.nodes[node].items_begin; i < tree.ItemsEnd(node); ++i) {
      const LiveSetTree::Item& item = tree.items[i];
      PricedItem priced{.node = node, .choices = {{}}};
      if (item.bundle == kNone) {
        if (values[item.tensor] <= 0) continue;
        priced.tensors = &item.tensor;
        priced.num_tensors = 1;
        priced.choices.push_back({item.cost, item.saved_bytes, values[item.tensor], 1});
      } else {
        const LiveSetTree::Bundle& bundle = tree.bundles[item.bundle];
        priced.tensors = bundle.tensors.data();
        priced.num_tensors = static_cast<int>(bundle.tensors.size());
        for (const LiveSetTree::Option& option : bundle.options) {
          Choice choice{option.cost, option.saved_bytes, 0, option.tensors};
          bool is_worth_it = true;
          for (int t = 0; t < priced.num_tensors; ++t) {
            if (((option.tensors >> t) & 1) == 0) continue;
            choice.value += values[bundle.tensors[t]];
            is_worth_it &= values[bundle.tensors[t]] > 0;
          }
          if (is_worth_it) priced.choices.push_back(choice);
        }
        if (priced.choices.size() == 1) continue;
      }
      items.push_back(std::move(priced));
    }
  }
  return items;
}

class ByteLimitSearch {
 public:
  ByteLimitSearch(const LiveSetTree& tree, const std::vector<int64_t>& values, int64_t budget, int64_t max_bytes,
                  WorkMeter& meter)
      : tree_(tree),
        values_(values),
        budget_(budget),
        max_bytes_(max_bytes),
        meter_(meter),
        items_(ItemsOf(tree, values)),
        best_mask_(values.size(), false) {
    for (int64_t value : values) total_value_ += value;
  }

  LiveSetResult Run() {
    upper_bound_ = total_value_;
    FindPrice();
    if (upper_bound_ > best_value_) Branch();
    return {
        .value = best_value_, .upper_bound = std::max(upper_bound_, best_value_), .trainable = std::move(best_mask_)};
  }

 private:
  // Bisects for the price at which the best selection stops exceeding max_bytes.
  void FindPrice() {
    double low = 0;
    double high = static_cast<double>(total_value_) / static_cast<double>(std::max<int64_t>(max_bytes_, 1));
    for (int step = 0; step < kPriceSteps && upper_bound_ > best_value_ && !meter_.exhausted(); ++step) {
      const double price = step == 0 ? high : low + (high - low) / 2;
      const Ranking ranking(tree_, values_, price);
      LiveSetResult found = SearchLiveSets(ranking, static_cast<int>(values_.size()), budget_, meter_);
      const double discount = std::floor(price * static_cast<double>(max_bytes_));
      // Rounded up by a unit and by what a double product may be off.
      const double bound = static_cast<double>(found.upper_bound) + discount * (1 + 1e-15) + 1;
      if (bound < static_cast<double>(upper_bound_)) {
        upper_bound_ = static_cast<int64_t>(std::ceil(bound * (1 + 1e-15))) + 1;
        price_ = price;
      }
      (Offer(std::move(found.trainable)) ? high : low) = price;
    }
  }

  // Takes up a selection if it keeps both limits. False if it does not.
  bool Offer(std::vector<bool> mask) {
    int64_t value = 0;
    if (!Fits(mask, value)) return false;
    if (value > best_value_) {
      best_value_ = value;
      best_mask_ = std::move(mask);
    }
    return true;
  }

  // Whether some live set can select `mask` within both limits.
  bool Fits(const std::vector<bool>& mask, int64_t& value) const {
    int needed = 0;
    value = 0;
    for (size_t k = 0; k < mask.size(); ++k) {
      needed += mask[k] ? 1 : 0;
      value += mask[k] ? values_[k] : 0;
    }
    // Per node on the path: what its items selected so far cost and keep, and how many tensors they are.
    struct Place {
      int end;
      int64_t cost, bytes;
      int count;
    };
    std::vector<Place> path{{std::numeric_limits<int>::max(), 0, 0, 0}};
    size_t next_item = 0;
    for (int node = 0; node < static_cast<int>(tree_.nodes.size()); ++node) {
      while (path.back().end <= node) path.pop_back();
      Place place = path.back();
      place.end = tree_.nodes[node].subtree_end;
      for (; next_item < items_.size() && items_[next_item].node == node; ++next_item) {
        const PricedItem& item = items_[next_item];
        uint32_t chosen = 0;
        for (int t = 0; t < item.num_tensors; ++t) chosen |= static_cast<uint32_t>(mask[item.tensors[t]]) << t;
        if (chosen == 0) continue;
        for (const Choice& choice : item.choices) {
          if (choice.tensors != chosen) continue;
          place.cost += choice.cost;
          place.bytes += choice.bytes;
          for (uint32_t rest = chosen; rest != 0; rest &= rest - 1) ++place.count;
        }
      }
      path.push_back(place);
      if (place.count != needed || tree_.nodes[node].relaxed) continue;
      const int64_t node_cost = place.cost + tree_.nodes[node].cost;
      const int64_t node_bytes = place.bytes + tree_.nodes[node].saved_bytes;
      if (node_cost <= budget_ && node_bytes <= max_bytes_) return true;
    }
    return false;
  }

  // Branch and bound over every live set whose bound at the prices exceeds the best value.
  void Branch() {
    bool is_complete = true;
    std::vector<std::pair<int, size_t>> path;  // Node and its first item.
    std::vector<size_t> begin(tree_.nodes.size() + 1, items_.size());
    for (size_t i = items_.size(); i-- > 0;) begin[items_[i].node] = i;
    for (size_t n = tree_.nodes.size(); n-- > 0;) begin[n] = std::min(begin[n], begin[n + 1]);
    for (int node = 0; node < static_cast<int>(tree_.nodes.size()); ++node) {
      while (!path.empty() && tree_.nodes[path.back().first].subtree_end <= node) path.pop_back();
      path.push_back({node, begin[node]});
      const Node& at = tree_.nodes[node];
      if (at.cost > budget_ || at.saved_bytes > max_bytes_) continue;
      if (begin[node] == begin[node + 1] && node != 0) continue;
      std::vector<const PricedItem*> available;
      for (const auto& [n, from] : path) {
        for (size_t i = from; i < begin[n + 1]; ++i) available.push_back(&items_[i]);
      }
      if (at.relaxed) {
        is_complete = false;
        continue;
      }
      if (!BranchWithin(at, available)) is_complete = false;
      if (!meter_.Spend(static_cast<int64_t>(available.size()))) {
        is_complete = false;
        break;
      }
    }
    if (is_complete) upper_bound_ = best_value_;
  }

  struct Ordered {
    const PricedItem* item;
    std::vector<std::pair<double, int>> losses;  // By choice, against the best; rising.
  };

  // Searches one live set. False if the meter ran out.
  bool BranchWithin(const Node& node, const std::vector<const PricedItem*>& available) {
    const int64_t room = budget_ - node.cost;
    const int64_t bytes = max_bytes_ - node.saved_bytes;
    const double cost_price = CostPrice(available, room);
    order_.clear();
    double bound = cost_price * static_cast<double>(room) + price_ * static_cast<double>(bytes);
    double magnitude = bound;
    for (const PricedItem* item : available) {
      Ordered ordered{item, {}};
      double best = 0;
      for (const Choice& choice : item->choices) {
        const double reduced = static_cast<double>(choice.value) - cost_price * static_cast<double>(choice.cost) -
                               price_ * static_cast<double>(choice.bytes);
        ordered.losses.push_back({reduced, static_cast<int>(ordered.losses.size())});
        best = std::max(best, reduced);
        magnitude += static_cast<double>(choice.value) + std::abs(reduced);
      }
      for (auto& [loss, choice] : ordered.losses) loss = best - loss;
      std::sort(ordered.losses.begin(), ordered.losses.end());
      bound += best;
      order_.push_back(std::move(ordered));
    }
    slack_ = 1e-13 * magnitude;
    if (bound + slack_ < static_cast<double>(best_value_) + 1) return true;
    // Items whose second choice loses most come first: their departures are cut at once.
    std::sort(order_.begin(), order_.end(), [](const Ordered& a, const Ordered& b) {
      if (a.losses[1].first != b.losses[1].first) return a.losses[1].first > b.losses[1].first;
      return a.item < b.item;
    });
    chosen_.assign(order_.size(), 0);
    return Descend(0, bound, room, bytes, 0);
  }

  // The ratio at which the budget of cost runs out at the present price of bytes.
  double CostPrice(const std::vector<const PricedItem*>& available, int64_t room) const {
    std::vector<std::pair<double, int64_t>> ratios;
    for (const PricedItem* item : available) {
      const Choice& all = item->choices.back();
      const double value = static_cast<double>(all.value) - price_ * static_cast<double>(all.bytes);
      if (value > 0 && all.cost > 0) ratios.push_back({value / static_cast<double>(all.cost), all.cost});
    }
    std::sort(ratios.rbegin(), ratios.rend());
    for (const auto& [ratio, cost] : ratios) {
      if (cost > room) return ratio;
      room -= cost;
    }
    return 0;
  }

  bool Descend(size_t depth, double bound, int64_t room, int64_t bytes, int64_t value) {
    if (!meter_.Spend(4)) return false;
    if (room < 0 || bytes < 0) return true;
    if (bound + slack_ < static_cast<double>(best_value_) + 1) return true;
    if (depth == order_.size()) {
      if (value > best_value_) TakeChosen(value);
      return true;
    }
    const Ordered& ordered = order_[depth];
    for (const auto& [loss, index] : ordered.losses) {
      if (bound - loss + slack_ < static_cast<double>(best_value_) + 1) break;
      const Choice& choice = ordered.item->choices[index];
      chosen_[depth] = index;
      if (!Descend(depth + 1, bound - loss, room - choice.cost, bytes - choice.bytes, value + choice.value))
        return false;
    }
    return true;
  }

  void TakeChosen(int64_t value) {
    best_value_ = value;
    std::fill(best_mask_.begin(), best_mask_.end(), false);
    for (size_t i = 0; i < order_.size(); ++i) {
      const PricedItem& item = *order_[i].item;
      for (int t = 0; t < item.num_tensors; ++t) {
        if ((item.choices[chosen_[i]].tensors >> t) & 1) best_mask_[item.tensors[t]] = true;
      }
    }
  }

  const LiveSetTree& tree_;
  const std::vector<int64_t>& values_;
  const int64_t budget_;
  const int64_t max_bytes_;
  WorkMeter& meter_;
  const std::vector<PricedItem> items_;
  int64_t total_value_ = 0;

  int64_t best_value_ = 0;
  std::vector<bool> best_mask_;
  int64_t upper_bound_ = 0;
  double price_ = 0;  // Of a byte: the one of upper_bound_.

  std::vector<Ordered> order_;
  std::vector<int> chosen_;
  double slack_ = 0;
};

}  // namespace

LiveSetResult SearchLiveSetsWithByteLimit(const LiveSetTree& tree, const std::vector<int64_t>& values,
                                          int64_t backward_budget, int64_t max_saved_bytes, WorkMeter& meter) {
  return ByteLimitSearch(tree, values, backward_budget, max_saved_bytes, meter).Run();
}

}  // namespace greenplan
