#ifndef GREENPLAN_PLANNER_CORE_BYTE_LIMIT_PRICED_LIVE_SETS_H_
#define GREENPLAN_PLANNER_CORE_BYTE_LIMIT_PRICED_LIVE_SETS_H_

#include <cstdint>
#include <vector>

#include "planner/core/graph/live_set_tree.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// What a unit of each limit is worth, in value.
struct LimitPrices {
  double cost = 0;
  double bytes = 0;
};

// The live sets of a tree under two limits, cost and saved bytes, and what prices say of them (Lagrangian duality).
//
// At prices (t, u) no selection within live set L is worth more than
//
//   t * (budget - cost(L)) + u * (max_bytes - bytes(L)) + sum over its items of max over choices of (v - t c - u b),
//
// and the least of this over all prices is the bound of the linear relaxation for L alone. A bound at one pair of
// prices for all live sets is one sweep over the tree.
class PricedLiveSets {
 public:
  // One way to select from an item; an item's first selects nothing.
  struct Choice {
    int64_t cost = 0;
    int64_t bytes = 0;
    int64_t value = 0;
    uint32_t tensors = 0;  // Bit i: the item's tensor i.
  };
  struct PricedItem {
    const int* tensors = nullptr;
    int num_tensors = 0;
    int choices_begin = 0;  // Into choices(), up to the next item's.
  };
  // What a live set leaves for its items.
  struct Room {
    int64_t cost = 0;
    int64_t bytes = 0;
    bool fits() const { return cost >= 0 && bytes >= 0; }
  };

  // values: [num_tensors]; tensors of value <= 0 are never selected. `tree` must outlive this and hold saved bytes.
  PricedLiveSets(const LiveSetTree& tree, const std::vector<int64_t>& values, int64_t budget, int64_t max_bytes);

  int num_live_sets() const { return static_cast<int>(rooms_.size()); }
  const Room& room(int live_set) const { return rooms_[live_set]; }
  bool is_relaxed(int live_set) const { return tree_.nodes[live_set].relaxed; }

  const std::vector<Choice>& choices() const { return choices_; }
  const PricedItem& item(int index) const { return items_[index]; }
  int ChoicesEnd(int item) const { return items_[item + 1].choices_begin; }

  // The items that the live set can select.
  std::vector<int> ItemsOf(int live_set) const;

  // The item's choice of highest value at the prices, the first of several.
  int BestChoice(int item, const LimitPrices& prices) const;
  double ReducedValue(const Choice& choice, const LimitPrices& prices) const;

  // [num_live_sets]: the bound of every live set that fits, at one pair of prices, rounded up; minus infinity for
  // others.
  void BoundAll(const LimitPrices& prices, std::vector<double>& bounds) const;

  // The prices at which the bound of one live set is lowest, up to a few millionths; others if the meter is stopped
  // meanwhile. O(items) times 700.
  LimitPrices BestPrices(int live_set, WorkMeter& meter) const;

 private:
  // From far below to just above where prices matter.
  struct PriceRange {
    double low = 0;
    double high = 0;
    void Add(int64_t value, int64_t amount);
  };
  // What the best choices of `items` come to.
  struct Totals {
    double cost = 0;
    double bytes = 0;
  };
  Totals BestTotals(const std::vector<int>& items, const LimitPrices& prices, WorkMeter& meter) const;
  double BestCostPrice(const std::vector<int>& items, int64_t room, double byte_price, const PriceRange& range,
                       WorkMeter& meter) const;

  const LiveSetTree& tree_;
  std::vector<PricedItem> items_;  // In tree order, and one more that ends the last.
  std::vector<Choice> choices_;
  std::vector<int> items_begin_;  // [num_live_sets + 1] Into items_: a live set's own.
  std::vector<int> parents_;      // [num_live_sets]
  std::vector<Room> rooms_;       // [num_live_sets]
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CORE_BYTE_LIMIT_PRICED_LIVE_SETS_H_
