#include "planner/core/byte_limit/departures.h"

#include <algorithm>
#include <cmath>

namespace greenplan {
namespace {

using Choice = PricedLiveSets::Choice;

// What one step takes, in units of work.
constexpr int64_t kStepWork = 4;

}  // namespace

Departures::Departures(const PricedLiveSets& sets, int live_set, const LimitPrices& prices, int64_t bound,
                       PricedSelection& best)
    : sets_(sets), prices_(prices), room_(sets.room(live_set)), bound_(static_cast<double>(bound) + 1), best_(best) {
  std::vector<int> singles;
  const std::vector<int> items = sets.ItemsOf(live_set);
  num_items_ = static_cast<int64_t>(items.size());
  for (int item : items) {
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

bool Departures::Run(int64_t max_work, WorkMeter& meter) {
  // Making the decisions is paid here.
  if (!meter.Spend(static_cast<int64_t>(decisions_.size()) + num_items_ / 8)) return false;
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

void Departures::AddBundle(int item) {
  Decision decision{.items = {item}, .is_bundle = true};
  for (int c = sets_.item(item).choices_begin; c < sets_.ChoicesEnd(item); ++c) {
    const Choice& choice = sets_.choices()[c];
    decision.options.push_back({.used = {choice.cost, choice.bytes}, .value = choice.value, .pick = c});
  }
  decisions_.push_back(std::move(decision));
}

const Choice& Departures::OnlyChoice(int item) const { return sets_.choices()[sets_.item(item).choices_begin + 1]; }

void Departures::AddGroups(std::vector<int> singles) {
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

void Departures::SetLosses(Decision& decision) const {
  double most = 0;
  for (Option& option : decision.options) {
    const double reduced = sets_.ReducedValue({option.used.cost, option.used.bytes, option.value}, prices_);
    option.loss = -reduced;
    most = std::max(most, reduced);
  }
  for (Option& option : decision.options) option.loss += most;
  std::stable_sort(decision.options.begin(), decision.options.end(),
                   [](const Option& a, const Option& b) { return a.loss < b.loss; });
}

void Departures::SumUpMost() {
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
double Departures::WasteBeyond(size_t depth, const Room& room) const {
  return prices_.cost * static_cast<double>(std::max<int64_t>(0, room.cost - most_[depth].cost)) +
         prices_.bytes * static_cast<double>(std::max<int64_t>(0, room.bytes - most_[depth].bytes));
}

bool Departures::CanBeat(double bound) const { return std::floor(bound) > static_cast<double>(best_.value); }

void Departures::TakePath() {
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

}  // namespace greenplan
