#include "planner/core/knapsack/knapsack_search.h"

#include <algorithm>
#include <utility>

#include "planner/core/knapsack/cost_grain.h"

namespace greenplan {
namespace {

using Entry = Ranking::Entry;

// What one search may keep; beyond it the search ends unproved.
constexpr size_t kMaxHistory = 1 << 20;
constexpr size_t kMaxStates = 1 << 17;
constexpr int kRanksBetweenSpends = 1024;

}  // namespace

int64_t FillBound(int64_t value, int64_t rest, const Entry& entry) {
  const __int128 product = static_cast<__int128>(rest) * entry.value;
  __int128 quotient = product / entry.cost;
  if (product < 0 && quotient * entry.cost != product) --quotient;
  return value + static_cast<int64_t>(quotient);
}

int64_t LinearBound(const Ranking& ranking, const BreakPoint& point) {
  if (point.break_rank == static_cast<int>(ranking.entries().size())) return point.value;
  return FillBound(point.value, point.room - point.cost, ranking.entries()[point.break_rank]);
}

std::vector<bool> MaskOf(const Ranking& ranking, const Incumbent& incumbent, int num_tensors) {
  std::vector<bool> mask(num_tensors, false);
  const auto choose = [&](int bundle, int option) {
    const Ranking::RankedBundle& of = ranking.bundles()[bundle];
    for (size_t i = 0; i < of.tensors->size(); ++i) mask[(*of.tensors)[i]] = (of.options[option].tensors >> i) & 1;
  };
  const auto apply = [&](int rank, int option) {
    const Entry& entry = ranking.entries()[rank];
    if (entry.bundle != kNone) {
      choose(entry.bundle, option);
    } else {
      mask[entry.tensor] = option == 1;
    }
  };
  for (int rank = 0; rank < incumbent.from.break_rank; ++rank) {
    const Entry& entry = ranking.entries()[rank];
    if (entry.IsAvailableTo(incumbent.from.node)) apply(rank, entry.bundle == kNone ? 1 : entry.option);
  }
  for (const auto& [rank, option] : incumbent.changes) apply(rank, option);
  return mask;
}

int64_t KnapsackSearch::Improve(const BreakPoint& point, bool is_hard, int64_t max_work, WorkMeter& meter,
                                Incumbent& incumbent) {
  point_ = point;
  incumbent_ = &incumbent;
  meter_ = &meter;
  work_left_ = max_work;
  is_full_ = false;
  lacks_states_ = false;
  ++stamp_;
  history_.clear();
  states_.assign(1, {point.cost, point.value, kNone});
  Offer(states_.front());
  const int num_entries = static_cast<int>(ranking_.entries().size());
  if (point.break_rank == num_entries) return incumbent.value;

  grains_ = {};
  small_.clear();
  if (is_hard && !UseGrains()) return OpenBound();
  left_ = point.break_rank;
  right_ = point.break_rank - 1;
  Advance(left_, -1);
  Advance(right_, +1);
  if (!meter.Spend(16)) return OpenBound();
  for (bool go_right = true; !states_.empty() && (left_ >= 0 || right_ < num_entries); go_right = !go_right) {
    if (go_right ? right_ == num_entries : left_ < 0) continue;
    const int rank = go_right ? right_ : left_;
    CollectAlternatives(rank);
    if (!MayExtend()) return OpenBound();
    PassOver(rank);
    if (!Extend(rank)) return OpenBound();
  }
  return incumbent.value;
}

void KnapsackSearch::PassOver(int rank) {
  const Entry& entry = ranking_.entries()[rank];
  const bool is_right = rank == right_;
  for (size_t i = 0; i < small_.size() && entry.cost < grains_.levels[i].small_cost; ++i) {
    (is_right ? small_[i].not_taken : small_[i].taken) -= entry.cost;
  }
  if (entry.bundle != kNone) {
    bundle_done_[entry.bundle] = stamp_;
    // The other end may have stopped at another step of the same bundle.
    int& other = is_right ? left_ : right_;
    const bool is_open = other >= 0 && other < static_cast<int>(ranking_.entries().size());
    if (is_open && ranking_.entries()[other].bundle == entry.bundle) Advance(other, is_right ? -1 : +1);
  }
  Advance(is_right ? right_ : left_, is_right ? +1 : -1);
}

bool KnapsackSearch::MayExtend() {
  const size_t most = states_.size() * std::max<size_t>(1, alternatives_.size());
  work_left_ -= 16 + static_cast<int64_t>(most);
  is_full_ = history_.size() + most > kMaxHistory || states_.size() > kMaxStates;
  return meter_->Spend(16 + static_cast<int64_t>(most)) && work_left_ >= 0 && !is_full_;
}

bool KnapsackSearch::UseGrains() {
  left_ = point_.break_rank - 1;
  right_ = point_.break_rank;
  if (!meter_->Spend(2 * static_cast<int64_t>(ranking_.entries().size()))) return false;
  FindGrains();
  if (!grains_.levels.empty() && !SettleOdd()) return false;
  SumUpSmall();
  Complete();
  return true;
}

// Entries that cannot matter now never will, because the incumbent only rises.
void KnapsackSearch::FindGrains() {
  const std::vector<Entry>& entries = ranking_.entries();
  std::vector<std::pair<int64_t, int>> costs;
  for (int rank = 0; rank < static_cast<int>(entries.size()); ++rank) {
    if (entries[rank].bundle != kNone || !entries[rank].IsAvailableTo(point_.node)) continue;
    if (CollectAlternatives(rank)) costs.push_back({entries[rank].cost, rank});
  }
  grains_ = FindCostGrains(costs);
}

bool KnapsackSearch::IsOdd(int rank) const {
  return std::find(grains_.odd.begin(), grains_.odd.end(), rank) != grains_.odd.end();
}

// What is settled here comes before left_ and right_ reach it. So every later bound rests on the ratio at the break
// point.
bool KnapsackSearch::SettleOdd() {
  const std::vector<Entry>& entries = ranking_.entries();
  const int num_entries = static_cast<int>(entries.size());
  if (!ranking_.bundles().empty()) {
    // Outwards, so that a bundle's rank is where its last step taken stands, or else its first.
    for (int rank = left_; rank >= 0; --rank) {
      if (entries[rank].bundle != kNone && !Settle(rank)) return false;
    }
    for (int rank = right_; rank < num_entries; ++rank) {
      if (entries[rank].bundle != kNone && !Settle(rank)) return false;
    }
  }
  return std::all_of(grains_.odd.begin(), grains_.odd.end(), [&](int rank) { return Settle(rank); });
}

bool KnapsackSearch::Settle(int rank) {
  const Entry& entry = ranking_.entries()[rank];
  if (!entry.IsAvailableTo(point_.node)) return true;
  if (entry.bundle != kNone && std::exchange(bundle_done_[entry.bundle], stamp_) == stamp_) return true;
  if (!CollectAlternatives(rank)) return true;
  return MayExtend() && Extend(rank);
}

void KnapsackSearch::SumUpSmall() {
  small_.assign(grains_.levels.size(), {});
  for (size_t i = 0; i < small_.size(); ++i) {
    for (int rank : grains_.levels[i].small) {
      (rank < point_.break_rank ? small_[i].taken : small_[i].not_taken) += ranking_.entries()[rank].cost;
    }
  }
}

// Where ratios tell nothing apart, what counts is to fill the room: by falling cost, the small entries come last.
void KnapsackSearch::Complete() {
  if (states_.empty()) return;
  const std::vector<Entry>& entries = ranking_.entries();
  // What a state may lead to if every open entry has the ratio of the break entry.
  const Entry& at_break = entries[point_.break_rank];
  const auto potential = [&](const State& state) {
    return static_cast<__int128>(state.value) * at_break.cost +
           static_cast<__int128>(Fillable(point_.room - state.cost)) * at_break.value;
  };
  State state = *std::max_element(states_.begin(), states_.end(),
                                  [&](const State& a, const State& b) { return potential(a) < potential(b); });
  std::vector<int> open;
  for (int rank : grains_.by_falling_cost) {
    if (!CollectAlternatives(rank)) continue;
    open.push_back(rank);
    if (rank >= point_.break_rank) continue;
    state.cost -= entries[rank].cost;
    state.value -= entries[rank].value;
  }
  for (int rank : open) {
    const Entry& entry = entries[rank];
    const bool is_taken = entry.cost <= point_.room - state.cost;
    if (is_taken) {
      state.cost += entry.cost;
      state.value += entry.value;
    }
    if (is_taken == (rank < point_.break_rank)) continue;
    history_.push_back({state.history, rank, is_taken ? 1 : 0});
    state.history = static_cast<int>(history_.size()) - 1;
  }
  Offer(state);
}

template <typename Visit>
bool KnapsackSearch::AnyAlternative(int rank, const Visit& visit) const {
  const Entry& entry = ranking_.entries()[rank];
  const bool is_taken = rank < point_.break_rank;
  if (entry.bundle == kNone) {
    return visit(is_taken ? Alternative{-entry.cost, -entry.value, 0} : Alternative{entry.cost, entry.value, 1});
  }
  // What the break point takes: ranks are visited outwards, so this is the bundle's last step taken, or its first not.
  const int current = is_taken ? entry.option : entry.from;
  const std::vector<Ranking::Option>& options = ranking_.bundles()[entry.bundle].options;
  for (int i = 0; i < static_cast<int>(options.size()); ++i) {
    if (i == current) continue;
    if (visit(Alternative{options[i].cost - options[current].cost, options[i].value - options[current].value, i})) {
      return true;
    }
  }
  return false;
}

bool KnapsackSearch::CollectAlternatives(int rank) {
  alternatives_.clear();
  AnyAlternative(rank, [this](const Alternative& alternative) {
    if (CanMatter(alternative)) alternatives_.push_back(alternative);
    return false;
  });
  return !alternatives_.empty();
}

bool KnapsackSearch::CanMatter(const Alternative& alternative) const {
  return CanBeat(point_.value + alternative.value, point_.room - point_.cost - alternative.cost,
                 ranking_.entries()[point_.break_rank], incumbent_->value);
}

void KnapsackSearch::Advance(int& rank, int direction) {
  const std::vector<Entry>& entries = ranking_.entries();
  const bool has_odd = !grains_.odd.empty();
  const auto can_matter = [this](const Alternative& alternative) { return CanMatter(alternative); };
  int until_spend = kRanksBetweenSpends;
  for (rank += direction; rank >= 0 && rank < static_cast<int>(entries.size()); rank += direction) {
    // A stop in between leaves a rank whose ratio bounds all that follow.
    if (--until_spend == 0) {
      until_spend = kRanksBetweenSpends;
      if (!meter_->Spend(kRanksBetweenSpends / 2)) return;
    }
    const Entry& entry = entries[rank];
    if (!entry.IsAvailableTo(point_.node)) continue;
    if (has_odd && IsOdd(rank)) continue;
    if (entry.bundle != kNone && bundle_done_[entry.bundle] == stamp_) continue;
    if (AnyAlternative(rank, can_matter)) return;
    if (entry.bundle != kNone) bundle_done_[entry.bundle] = stamp_;
  }
}

int64_t KnapsackSearch::Fillable(int64_t rest) const {
  return small_.empty() ? rest : MostFillable(grains_.levels, small_, rest);
}

inline bool KnapsackSearch::IsPromising(int64_t cost, int64_t value) const {
  const std::vector<Entry>& entries = ranking_.entries();
  const int64_t rest = Fillable(point_.room - cost);
  const int next = rest >= 0 ? right_ : left_;
  const bool is_none_left = next < 0 || next >= static_cast<int>(entries.size());
  if (is_none_left) return rest >= 0 && value > incumbent_->value;
  return CanBeat(value, rest, entries[next], incumbent_->value);
}

void KnapsackSearch::Offer(const State& state) {
  if (state.cost > point_.room || state.value <= incumbent_->value) return;
  incumbent_->value = state.value;
  incumbent_->from = point_;
  incumbent_->changes.clear();
  for (int at = state.history; at != kNone; at = history_[at].before) {
    incumbent_->changes.push_back({history_[at].rank, history_[at].option});
  }
}

bool KnapsackSearch::Extend(int rank) {
  base_ = states_;
  for (const Alternative& alternative : alternatives_) {
    // MayExtend() charges a unit for each new state; to merge them with all others takes longer, if no state is
    // dropped.
    lacks_states_ = !meter_->Pass(static_cast<int64_t>(states_.size() + base_.size()) / 4);
    if (lacks_states_) return false;
    AddShifted(alternative, rank);
  }
  states_.erase(std::remove_if(states_.begin(), states_.end(),
                               [&](const State& state) { return !IsPromising(state.cost, state.value); }),
                states_.end());
  return true;
}

void KnapsackSearch::AddShifted(const Alternative& alternative, int rank) {
  merged_.clear();
  merged_.reserve(states_.size() + base_.size());
  const auto push = [&](const State& state) {
    if (!merged_.empty() && state.value <= merged_.back().value) return;
    if (!merged_.empty() && state.cost == merged_.back().cost) {
      merged_.back() = state;
    } else {
      merged_.push_back(state);
    }
  };
  size_t i = 0;
  for (const State& old : base_) {
    State state{old.cost + alternative.cost, old.value + alternative.value, old.history};
    while (i < states_.size() && states_[i].cost <= state.cost) push(states_[i++]);
    if (!merged_.empty() && state.value <= merged_.back().value) continue;
    const bool improves = state.cost <= point_.room && state.value > incumbent_->value;
    if (!improves && !IsPromising(state.cost, state.value)) continue;
    history_.push_back({state.history, rank, alternative.option});
    state.history = static_cast<int>(history_.size()) - 1;
    Offer(state);
    push(state);
  }
  while (i < states_.size()) push(states_[i++]);
  states_.swap(merged_);
}

int64_t KnapsackSearch::OpenBound() const {
  if (lacks_states_) return LinearBound(ranking_, point_);
  const std::vector<Entry>& entries = ranking_.entries();
  int64_t bound = incumbent_->value;
  for (const State& state : states_) {
    if (!IsPromising(state.cost, state.value)) continue;
    const int64_t rest = Fillable(point_.room - state.cost);
    if (rest >= 0) {
      bound = std::max(bound, right_ < static_cast<int>(entries.size()) ? FillBound(state.value, rest, entries[right_])
                                                                        : state.value);
    } else if (left_ >= 0 && entries[left_].cost > 0) {
      bound = std::max(bound, FillBound(state.value, rest, entries[left_]));
    }
  }
  return bound;
}

}  // namespace greenplan
