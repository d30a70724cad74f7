#include "planner/core/byte_limit/departures.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace greenplan {
namespace {

using Choice = PricedLiveSets::Choice;

// What one step takes, in units of work.
constexpr int64_t kStepWork = 4;

}  // namespace

Departures::Departures(const PricedLiveSets& sets, int live_set, const LimitPrices& prices, int64_t bound,
                       PricedSelection& best)
    : sets_(sets),
      live_set_(live_set),
      prices_(prices),
      room_(sets.room(live_set)),
      bound_(static_cast<double>(bound) + 1),
      best_(best) {}

bool Departures::Run(int64_t max_work, WorkMeter& meter) {
  if (!MakeDecisions(meter)) return false;
  if (!meter.Spend(static_cast<int64_t>(decisions_.size()) + num_items_ / 8)) return false;
  path_.assign(1, {.bound = bound_, .room = room_});
  while (!path_.empty()) {
    max_work -= kStepWork;
    if (!meter.Spend(kStepWork) || max_work < 0) return false;
    const size_t depth = path_.size() - 1;
    Place& at = path_.back();
    if (depth == decisions_.size()) {
      if (at.value > best_.value) {
        TakePath();
        meter.Pass(num_items_ / 8);
      }
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

bool Departures::MakeDecisions(WorkMeter& meter) {
  const std::vector<int> items = sets_.ItemsOf(live_set_);
  num_items_ = static_cast<int64_t>(items.size());
  std::vector<Single> singles;
  for (int item : items) {
    const int begin = sets_.item(item).choices_begin;
    if (sets_.ChoicesEnd(item) - begin == 2) {
      singles.push_back({sets_.choices()[begin + 1], item});
    } else {
      AddBundle(item);
    }
  }
  // Each step takes milliseconds for a hundred thousand items. Run() charges for all of them.
  if (!meter.Pass(num_items_)) return false;
  std::sort(singles.begin(), singles.end(), [](const Single& a, const Single& b) {
    return std::tuple(a.choice.cost, a.choice.bytes, b.choice.value, a.item) <
           std::tuple(b.choice.cost, b.choice.bytes, a.choice.value, b.item);
  });
  if (!meter.Pass(num_items_)) return false;
  AddGroups(singles);
  if (!meter.Pass(num_items_)) return false;
  for (Decision& decision : decisions_) SetLosses(decision);
  if (!meter.Pass(num_items_)) return false;
  SortDecisions();
  if (!meter.Pass(num_items_)) return false;
  SumUpMost();
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

void Departures::AddGroups(const std::vector<Single>& singles) {
  for (size_t i = 0; i < singles.size(); ++i) {
    const Choice& choice = singles[i].choice;
    const bool is_like_last =
        i > 0 && choice.cost == singles[i - 1].choice.cost && choice.bytes == singles[i - 1].choice.bytes;
    if (!is_like_last) decisions_.push_back({.items = {}, .options = {{}}});
    Decision& group = decisions_.back();
    Option more = group.options.back();
    more.used.cost += choice.cost;
    more.used.bytes += choice.bytes;
    more.value += choice.value;
    ++more.pick;
    group.items.push_back(singles[i].item);
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

void Departures::SortDecisions() {
  std::vector<std::pair<double, size_t>> order;
  for (size_t i = 0; i < decisions_.size(); ++i) order.emplace_back(-decisions_[i].options[1].loss, i);
  std::sort(order.begin(), order.end());
  std::vector<Decision> sorted;
  sorted.reserve(decisions_.size());
  for (const auto& [loss, i] : order) sorted.push_back(std::move(decisions_[i]));
  decisions_ = std::move(sorted);
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
