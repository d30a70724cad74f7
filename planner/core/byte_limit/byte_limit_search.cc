#include "planner/core/byte_limit/byte_limit_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "planner/core/byte_limit/departures.h"
#include "planner/core/byte_limit/priced_live_sets.h"

namespace greenplan {
namespace {

using Choice = PricedLiveSets::Choice;
using Room = PricedLiveSets::Room;

// The work that a live set may take at first, before it is the next one's turn.
constexpr int64_t kFirstWork = 20000;

// A bound of doubles, rounded up already, on whole values.
int64_t Floor(double bound) { return static_cast<int64_t>(std::clamp(std::floor(bound), -0x1p62, 0x1p62)); }

// A selection within one live set by falling value per priced cost.
class Filling {
 public:
  Filling(const PricedLiveSets& sets, int live_set, const LimitPrices& prices)
      : sets_(sets), live_set_(live_set), prices_(prices), room_(sets.room(live_set)) {}

  // Returns the empty selection if the meter's stop function fires.
  PricedSelection Run(WorkMeter& meter) {
    for (int item : sets_.ItemsOf(live_set_)) {
      // At no price the choice of highest value, which may not fit: then the first worth anything.
      int choice = sets_.BestChoice(item, prices_);
      if (choice == sets_.item(item).choices_begin) choice = MostEfficient(item, prices_);
      order_.push_back({EfficiencyOf(sets_.choices()[choice], prices_), item, choice});
    }
    // It takes milliseconds for a hundred thousand items, which the search for prices outweighs.
    if (!meter.Pass(static_cast<int64_t>(order_.size()))) return {};
    std::sort(order_.begin(), order_.end(), [](const Candidate& a, const Candidate& b) {
      return a.efficiency != b.efficiency ? a.efficiency > b.efficiency : a.item < b.item;
    });
    if (!meter.Pass(static_cast<int64_t>(order_.size()))) return {};
    PricedSelection best;
    for (const Candidate& candidate : order_) {
      const Choice& choice = sets_.choices()[candidate.choice];
      if (choice.cost > room_.cost || choice.bytes > room_.bytes) continue;
      room_.cost -= choice.cost;
      room_.bytes -= choice.bytes;
      best.value += choice.value;
      best.chosen.push_back({candidate.item, candidate.choice});
    }
    return best;
  }

 private:
  struct Candidate {
    double efficiency;
    int item;
    int choice;
  };

  static double EfficiencyOf(const Choice& choice, const LimitPrices& prices) {
    const double price =
        prices.cost * static_cast<double>(choice.cost) + prices.bytes * static_cast<double>(choice.bytes);
    return static_cast<double>(choice.value) / price;
  }

  int MostEfficient(int item, const LimitPrices& prices) const {
    int best = sets_.item(item).choices_begin + 1;
    for (int c = best + 1; c < sets_.ChoicesEnd(item); ++c) {
      if (EfficiencyOf(sets_.choices()[c], prices) > EfficiencyOf(sets_.choices()[best], prices)) best = c;
    }
    return best;
  }

  const PricedLiveSets& sets_;
  const int live_set_;
  const LimitPrices prices_;
  Room room_;
  std::vector<Candidate> order_;
};

class ByteLimitSearch {
 public:
  ByteLimitSearch(const LiveSetTree& tree, const std::vector<int64_t>& values, int64_t budget, int64_t max_bytes,
                  WorkMeter& meter)
      : sets_(tree, values, budget, max_bytes, meter), values_(values), meter_(meter) {}

  LiveSetResult Run() {
    if (!meter_.stopped()) sets_.BoundAll({}, meter_, swept_);
    if (meter_.stopped()) return NothingFound(values_);
    for (double bound : swept_) bounds_.push_back({Floor(bound), {}, false});
    FindPrices();
    if (!meter_.exhausted()) SearchOpen();
    LiveSetResult result;
    result.value = best_.value;
    result.upper_bound = best_.value;
    for (const Bound& open : bounds_) {
      result.upper_bound = std::max(result.upper_bound, open.value);
    }
    result.trainable.assign(values_.size(), false);
    for (const auto& [item, choice] : best_.chosen) Select(item, choice, result.trainable);
    return result;
  }

 private:
  struct Bound {
    int64_t value = 0;
    LimitPrices prices = {};  // That give it.
    bool is_least = false;    // The prices are the live set's best.
  };

  bool IsOpen(const Bound& bound) const { return bound.value > best_.value; }

  // Gives prices of its own to the live set of highest bound. They lower its bound and those of others. Repeats this
  // until every open live set has prices of its own.
  void FindPrices() {
    // The first round is made even if no work is left, because it gives a selection.
    for (bool is_first = true; is_first || !meter_.exhausted(); is_first = false) {
      int highest = kNone;
      for (int l = 0; l < sets_.num_live_sets(); ++l) {
        if (bounds_[l].is_least || !IsOpen(bounds_[l])) continue;
        if (highest == kNone || bounds_[l].value > bounds_[highest].value) highest = l;
      }
      if (highest == kNone) return;
      const LimitPrices prices = sets_.BestPrices(highest, meter_);
      if (!meter_.stopped()) sets_.BoundAll(prices, meter_, swept_);
      if (meter_.stopped()) return;
      for (int l = 0; l < sets_.num_live_sets(); ++l) {
        const int64_t bound = Floor(swept_[l]);
        if (bound < bounds_[l].value) bounds_[l] = {bound, prices, bounds_[l].is_least};
      }
      bounds_[highest].is_least = true;
      meter_.Spend(sets_.num_live_sets());
      if (sets_.is_relaxed(highest)) continue;
      PricedSelection filled = Filling(sets_, highest, prices).Run(meter_);
      if (filled.value > best_.value) best_ = std::move(filled);
      Search(highest, kFirstWork);
    }
  }

  void Search(int live_set, int64_t max_work) {
    Bound& bound = bounds_[live_set];
    if (!IsOpen(bound)) return;
    if (meter_.stopped()) return;
    Departures departures(sets_, live_set, bound.prices, bound.value, best_);
    if (departures.Run(max_work, meter_)) bound.value = best_.value;
  }

  // Hard live sets wait until the easy ones are through.
  void SearchOpen() {
    std::vector<int> open;
    for (int l = 0; l < sets_.num_live_sets(); ++l) {
      if (!sets_.is_relaxed(l)) open.push_back(l);
    }
    std::stable_sort(open.begin(), open.end(), [&](int a, int b) { return bounds_[a].value > bounds_[b].value; });
    for (int64_t max_work = 8 * kFirstWork; !open.empty() && !meter_.exhausted(); max_work *= 8) {
      for (int l : open) {
        if (!meter_.exhausted()) Search(l, max_work);
      }
      open.erase(std::remove_if(open.begin(), open.end(), [&](int l) { return !IsOpen(bounds_[l]); }), open.end());
    }
  }

  void Select(int item, int choice, std::vector<bool>& mask) const {
    const PricedLiveSets::PricedItem& of = sets_.item(item);
    for (int t = 0; t < of.num_tensors; ++t) {
      if ((sets_.choices()[choice].tensors >> t) & 1) mask[of.tensors[t]] = true;
    }
  }

  const PricedLiveSets sets_;
  const std::vector<int64_t>& values_;
  WorkMeter& meter_;
  PricedSelection best_;
  std::vector<Bound> bounds_;  // [num_live_sets]
  std::vector<double> swept_;
};

}  // namespace

LiveSetResult SearchLiveSetsWithByteLimit(const LiveSetTree& tree, const std::vector<int64_t>& values,
                                          int64_t backward_budget, int64_t max_saved_bytes, WorkMeter& meter) {
  return ByteLimitSearch(tree, values, backward_budget, max_saved_bytes, meter).Run();
}

}  // namespace greenplan
