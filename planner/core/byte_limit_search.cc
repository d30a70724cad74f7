#include "planner/core/byte_limit_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "planner/core/priced_live_sets.h"

namespace greenplan {
namespace {

using Choice = PricedLiveSets::Choice;
using Room = PricedLiveSets::Room;

// What a live set may take before the next one's turn, at first.
constexpr int64_t kFirstWork = 20000;
// What one step of the branching takes.
constexpr int64_t kStepWork = 4;
// What finding a live set's prices takes, in units of work per item.
constexpr int64_t kPricingWork = 600;

// A bound of doubles, rounded up already, on whole values.
int64_t Floor(double bound) { return static_cast<int64_t>(std::clamp(std::floor(bound), -0x1p62, 0x1p62)); }

// The best selection known: an item and its choice, for those that select something.
struct Best {
  int64_t value = 0;
  std::vector<std::pair<int, int>> chosen;
};

// A selection within one live set by falling value per priced cost.
class Filling {
 public:
  Filling(const PricedLiveSets& sets, int live_set, const LimitPrices& prices)
      : sets_(sets), room_(sets.room(live_set)) {
    for (int item : sets.ItemsOf(live_set)) {
      // At no price the choice of highest value, which may not fit: then the first worth anything.
      int choice = sets.BestChoice(item, prices);
      if (choice == sets.item(item).choices_begin) choice = MostEfficient(item, prices);
      order_.push_back({EfficiencyOf(sets.choices()[choice], prices), item, choice});
    }
    std::sort(order_.begin(), order_.end(), [](const Candidate& a, const Candidate& b) {
      return a.efficiency != b.efficiency ? a.efficiency > b.efficiency : a.item < b.item;
    });
  }

  Best Run() {
    Best best;
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
  Room room_;
  std::vector<Candidate> order_;
};

// Branch and bound within one live set at its prices.
class Departures {
 public:
  Departures(const PricedLiveSets& sets, int live_set, const LimitPrices& prices, double bound, Best& best)
      : sets_(sets), prices_(prices), room_(sets.room(live_set)), bound_(bound), best_(best) {
    std::vector<int> singles;
    for (int item : sets.ItemsOf(live_set)) {
      if (sets.ChoicesEnd(item) - sets.item(item).choices_begin == 2) {
        singles.push_back(item);
      } else {
        AddBundle(item);
      }
    }
    AddGroups(std::move(singles));
    for (Decision& decision : decisions_) SetLosses(decision);
    // What loses most by its second option comes first: its departures are cut at once.
    std::stable_sort(decisions_.begin(), decisions_.end(),
                     [](const Decision& a, const Decision& b) { return a.options[1].loss > b.options[1].loss; });
    SumUpMost();
  }

  // Depth first. False if the work or the meter ran out before all was searched.
  bool Run(int64_t max_work, WorkMeter& meter) {
    if (!meter.Spend(static_cast<int64_t>(decisions_.size()))) return false;
    path_.assign(1, {.bound = bound_, .room = room_});
    while (!path_.empty()) {
      max_work -= kStepWork;
      if (!meter.Spend(kStepWork) || max_work < 0) return false;
      const size_t depth = path_.size() - 1;
      Place& at = path_.back();
      if (depth == decisions_.size()) {
        if (at.value > best_.value) TakePath();
        path_.pop_back();
        continue;
      }
      const std::vector<Option>& options = decisions_[depth].options;
      if (at.next == options.size() || !CanBeat(at.bound - options[at.next].loss)) {
        path_.pop_back();
        continue;
      }
      const Option& option = options[at.next++];
      const Place down{.bound = at.bound - option.loss,
                       .room = {at.room.cost - option.used.cost, at.room.bytes - option.used.bytes},
                       .value = at.value + option.value};
      if (down.room.fits() && CanBeat(down.bound - WasteBeyond(depth + 1, down.room))) path_.push_back(down);
    }
    return true;
  }

 private:
  // One way to decide. `pick`: how many of a group are taken, those of highest value; the choice from a bundle.
  struct Option {
    double loss = 0;  // Of reduced value against the best option.
    Room used = {};
    int64_t value = 0;
    int pick = 0;
  };
  // About one bundle, or about all items of the same cost and bytes: a better one of them is never left for a worse.
  struct Decision {
    std::vector<int> items;  // A group's by falling value.
    bool is_bundle = false;
    std::vector<Option> options = {};  // By rising loss.
  };
  // The options for the decisions before one, and which of its own is next.
  struct Place {
    double bound = 0;
    Room room = {};
    int64_t value = 0;
    size_t next = 0;
  };

  void AddBundle(int item) {
    Decision decision{.items = {item}, .is_bundle = true};
    for (int c = sets_.item(item).choices_begin; c < sets_.ChoicesEnd(item); ++c) {
      const Choice& choice = sets_.choices()[c];
      decision.options.push_back({.used = {choice.cost, choice.bytes}, .value = choice.value, .pick = c});
    }
    decisions_.push_back(std::move(decision));
  }

  const Choice& OnlyChoice(int item) const { return sets_.choices()[sets_.item(item).choices_begin + 1]; }

  void AddGroups(std::vector<int> singles) {
    const auto kind = [&](int item) { return std::pair(OnlyChoice(item).cost, OnlyChoice(item).bytes); };
    std::sort(singles.begin(), singles.end(), [&](int a, int b) {
      if (kind(a) != kind(b)) return kind(a) < kind(b);
      return OnlyChoice(a).value != OnlyChoice(b).value ? OnlyChoice(a).value > OnlyChoice(b).value : a < b;
    });
    for (size_t i = 0; i < singles.size(); ++i) {
      if (i == 0 || kind(singles[i]) != kind(singles[i - 1])) decisions_.push_back({.items = {}, .options = {{}}});
      Decision& group = decisions_.back();
      Option more = group.options.back();
      more.used.cost += OnlyChoice(singles[i]).cost;
      more.used.bytes += OnlyChoice(singles[i]).bytes;
      more.value += OnlyChoice(singles[i]).value;
      ++more.pick;
      group.items.push_back(singles[i]);
      group.options.push_back(more);
    }
  }

  void SetLosses(Decision& decision) const {
    double most = 0;
    for (Option& option : decision.options) {
      const double reduced = static_cast<double>(option.value) - prices_.cost * static_cast<double>(option.used.cost) -
                             prices_.bytes * static_cast<double>(option.used.bytes);
      option.loss = -reduced;
      most = std::max(most, reduced);
    }
    for (Option& option : decision.options) option.loss += most;
    std::stable_sort(decision.options.begin(), decision.options.end(),
                     [](const Option& a, const Option& b) { return a.loss < b.loss; });
  }

  // What the decisions from each depth on can take at most.
  void SumUpMost() {
    most_.assign(decisions_.size() + 1, {});
    for (size_t depth = decisions_.size(); depth-- > 0;) {
      Room most;
      for (const Option& option : decisions_[depth].options) {
        most.cost = std::max(most.cost, option.used.cost);
        most.bytes = std::max(most.bytes, option.used.bytes);
      }
      most_[depth] = {most_[depth + 1].cost + most.cost, most_[depth + 1].bytes + most.bytes};
    }
  }

  // What must stay unused loses its price.
  double WasteBeyond(size_t depth, const Room& room) const {
    return prices_.cost * static_cast<double>(std::max<int64_t>(0, room.cost - most_[depth].cost)) +
           prices_.bytes * static_cast<double>(std::max<int64_t>(0, room.bytes - most_[depth].bytes));
  }

  bool CanBeat(double bound) const { return Floor(bound) > best_.value; }

  void TakePath() {
    best_.value = path_.back().value;
    best_.chosen.clear();
    for (size_t depth = 0; depth < decisions_.size(); ++depth) {
      const Decision& decision = decisions_[depth];
      const int pick = decision.options[path_[depth].next - 1].pick;
      if (decision.is_bundle) {
        best_.chosen.push_back({decision.items.front(), pick});
        continue;
      }
      for (int i = 0; i < pick; ++i) {
        best_.chosen.push_back({decision.items[i], sets_.item(decision.items[i]).choices_begin + 1});
      }
    }
  }

  const PricedLiveSets& sets_;
  const LimitPrices prices_;
  const Room room_;
  const double bound_;
  Best& best_;
  std::vector<Decision> decisions_;
  std::vector<Room> most_;  // [decisions + 1]
  std::vector<Place> path_;
};

class ByteLimitSearch {
 public:
  ByteLimitSearch(const LiveSetTree& tree, const std::vector<int64_t>& values, int64_t budget, int64_t max_bytes,
                  WorkMeter& meter)
      : sets_(tree, values, budget, max_bytes), num_tensors_(values.size()), meter_(meter) {}

  LiveSetResult Run() {
    sets_.BoundAll({}, swept_);
    for (double bound : swept_) bounds_.push_back({Floor(bound), {}, false});
    FindPrices();
    SearchOpen();
    LiveSetResult result;
    result.value = best_.value;
    result.upper_bound = best_.value;
    for (const Bound& open : bounds_) {
      result.upper_bound = std::max(result.upper_bound, open.value);
    }
    result.trainable.assign(num_tensors_, false);
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

  // Gives the live set of highest bound prices of its own, which lower its bound and others', until all that are open
  // have theirs.
  void FindPrices() {
    while (!meter_.exhausted()) {
      int highest = kNone;
      for (int l = 0; l < sets_.num_live_sets(); ++l) {
        if (bounds_[l].is_least || !IsOpen(bounds_[l])) continue;
        if (highest == kNone || bounds_[l].value > bounds_[highest].value) highest = l;
      }
      if (highest == kNone) return;
      const LimitPrices prices = sets_.BestPrices(highest);
      sets_.BoundAll(prices, swept_);
      for (int l = 0; l < sets_.num_live_sets(); ++l) {
        const int64_t bound = Floor(swept_[l]);
        if (bound < bounds_[l].value) bounds_[l] = {bound, prices, bounds_[l].is_least};
      }
      bounds_[highest].is_least = true;
      meter_.Spend(sets_.num_live_sets() + kPricingWork * static_cast<int64_t>(sets_.ItemsOf(highest).size()));
      if (sets_.is_relaxed(highest)) continue;
      Best filled = Filling(sets_, highest, prices).Run();
      if (filled.value > best_.value) best_ = std::move(filled);
      Search(highest, kFirstWork);
    }
  }

  void Search(int live_set, int64_t max_work) {
    Bound& bound = bounds_[live_set];
    if (!IsOpen(bound)) return;
    Departures departures(sets_, live_set, bound.prices, static_cast<double>(bound.value) + 1, best_);
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
    const PricedLiveSets::Item& of = sets_.item(item);
    for (int t = 0; t < of.num_tensors; ++t) {
      if ((sets_.choices()[choice].tensors >> t) & 1) mask[of.tensors[t]] = true;
    }
  }

  const PricedLiveSets sets_;
  const size_t num_tensors_;
  WorkMeter& meter_;
  Best best_;
  std::vector<Bound> bounds_;  // [num_live_sets]
  std::vector<double> swept_;
};

}  // namespace

LiveSetResult SearchLiveSetsWithByteLimit(const LiveSetTree& tree, const std::vector<int64_t>& values,
                                          int64_t backward_budget, int64_t max_saved_bytes, WorkMeter& meter) {
  return ByteLimitSearch(tree, values, backward_budget, max_saved_bytes, meter).Run();
}

}  // namespace greenplan
