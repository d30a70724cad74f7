#ifndef GREENPLAN_PLANNER_CORE_BYTE_LIMIT_PRICED_LIVE_SETS_H_
#define GREENPLAN_PLANNER_CORE_BYTE_LIMIT_PRICED_LIVE_SETS_H_

#include <cstdint>
#include <vector>

#include "planner/core/graph/live_set_tree.h"
#include "planner/core/work_meter.h"

namespace greenplan {

// What one unit of each limit is worth, in units of value: per unit of cost, and per byte. Both are >= 0.
struct LimitPrices {
  double cost = 0;
  double bytes = 0;
};

// Bounds for the live sets of a tree under two limits, cost and saved bytes, by Lagrangian duality.
//
// At prices (t, u) >= 0 no selection within live set L is worth more than
//
//   t * (budget - cost(L)) + u * (max_bytes - bytes(L)) + sum over its items of max over choices of (v - t c - u b),
//
// where an item's choice has value v, cost c and b bytes. The lowest such bound over all prices is that of the linear
// relaxation for L alone. One sweep over the tree evaluates one pair of prices for all live sets.
//
// Thread-safe after construction: all methods are const.
class PricedLiveSets {
 public:
  // One way to select from an item. The first choice of every item selects nothing.
  struct Choice {
    int64_t cost = 0;
    int64_t bytes = 0;
    int64_t value = 0;
    uint32_t tensors = 0;  // Bit i: the item's tensor i.
  };
  // A tensor or a bundle of the tree, with the ways to select from it.
  struct PricedItem {
    const int* tensors = nullptr;
    int num_tensors = 0;
    // The item's choices begin here in choices() and end where the next item's begin.
    int choices_begin = 0;
  };
  // What a live set leaves of both limits for its items: the budget less its own cost, and max_bytes less its own
  // bytes. A negative number means that the live set alone exceeds that limit.
  struct Room {
    int64_t cost = 0;
    int64_t bytes = 0;
    // Returns whether the live set keeps both limits by itself.
    bool fits() const { return cost >= 0 && bytes >= 0; }
  };

  // Lists the items and choices of `tree`. values: [num_tensors]; tensors of value <= 0 are never selected. O(nodes +
  // choices). `tree` must outlive this object. If the meter's stop function fires meanwhile, discard the object. The
  // meter is asked, here and below, but not charged. REQUIRES: `tree` was built with LiveSetOptions::use_saved_bytes.
  PricedLiveSets(const LiveSetTree& tree, const std::vector<int64_t>& values, int64_t budget, int64_t max_bytes,
                 WorkMeter& meter);

  // Live sets are numbered as the nodes of the tree: 0 is the root's.
  int num_live_sets() const { return static_cast<int>(rooms_.size()); }
  // Returns what the live set leaves of both limits.
  const Room& room(int live_set) const { return rooms_[live_set]; }
  // Returns whether the tree knows only a relaxation of the live set: then its bound holds, but no selection is found
  // in it.
  bool is_relaxed(int live_set) const { return tree_.nodes[live_set].relaxed; }

  // The choices of item i are choices()[item(i).choices_begin, ChoicesEnd(i)), in the order of the tree's options.
  const std::vector<Choice>& choices() const { return choices_; }
  // The items in the order of the tree, each of them a tensor or a bundle of positive value.
  const PricedItem& item(int index) const { return items_[index]; }
  // Returns the end of the item's choices in choices().
  int ChoicesEnd(int item) const { return items_[item + 1].choices_begin; }

  // Returns the indices of the items that the live set can select: its own, and those of the live sets it contains.
  std::vector<int> ItemsOf(int live_set) const;

  // Returns the index into choices() of the item's choice of highest reduced value, the first if several have it.
  int BestChoice(int item, const LimitPrices& prices) const;
  // Returns what is left of the choice's value once its cost and bytes are paid at the prices.
  double ReducedValue(const Choice& choice, const LimitPrices& prices) const;

  // Fills `bounds` ([num_live_sets]) with the bound of every live set at one pair of prices, rounded up. A live set
  // that exceeds a limit by itself gets minus infinity. O(nodes + choices). If the meter's stop function fires
  // meanwhile, discard the bounds.
  void BoundAll(const LimitPrices& prices, WorkMeter& meter, std::vector<double>& bounds) const;

  // Returns the prices at which the bound of one live set is lowest, up to a few millionths. If the meter is stopped
  // meanwhile, it returns prices at which the bound holds but is higher. About 700 passes over the live set's items,
  // which the meter is charged with.
  LimitPrices BestPrices(int live_set, WorkMeter& meter) const;

 private:
  // From far below to just above where prices matter.
  struct PriceRange {
    double low = 0;
    double high = 0;
    void Add(int64_t value, int64_t amount);
  };
  // Adds an item of the tree with its choices, unless nothing of it is worth selecting. Returns how many choices it
  // has, to select nothing included.
  int64_t AddItem(const Item& from, const std::vector<int64_t>& values);
  // Asks the meter as the item's choices take time to look at. Returns false once its stop function has fired.
  bool PassItem(int item, WorkMeter& meter) const { return meter.Pass(ChoicesEnd(item) - items_[item].choices_begin); }
  // What the best choices of `items` come to.
  struct Totals {
    double cost = 0;
    double bytes = 0;
  };
  // Returns what the best choices of `items` at these prices cost and keep together.
  Totals BestTotals(const std::vector<int>& items, const LimitPrices& prices, WorkMeter& meter) const;
  // Returns the lowest price of cost at which the best choices cost at most `room`, given the price of bytes.
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
