#include "planner/core/selection/selection.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "planner/core/byte_limit/byte_limit_search.h"
#include "planner/core/cost.h"
#include "planner/core/graph/live_sets.h"
#include "planner/core/selection/closure_search.h"
#include "planner/core/selection/downscaled.h"
#include "planner/core/selection/shallow_selection.h"
#include "planner/core/work_meter.h"

namespace greenplan {
namespace {

// The most work that building the live sets may take: a tenth of a second or two.
constexpr int64_t kStructureWork = 20'000'000;
// The most bytes that live sets and a search of them may take. There may be two kinds of live sets at a time.
constexpr int64_t kStructureBytes = int64_t{88} << 20;
// A profile of so many ops and tensors leaves time for one plan after a stop.
constexpr size_t kLargeProfile = 20'000;

std::vector<bool> Union(const std::vector<bool>& a, const std::vector<bool>& b) {
  std::vector<bool> both(a.size());
  for (size_t k = 0; k < a.size(); ++k) both[k] = a[k] || b[k];
  return both;
}

// Returns whether each tensor is not worth selecting, [num_tensors].
std::vector<bool> Worthless(const std::vector<double>& importance) {
  std::vector<bool> worthless(importance.size());
  for (size_t k = 0; k < importance.size(); ++k) worthless[k] = importance[k] <= 0;
  return worthless;
}

// Returns by how much a sum of importance may exceed the same sum in units. Plans report the former, which is rounded
// with each addition; in the latter each tensor is rounded to whole units.
double RatioSlack(const ValueScale& scale, const std::vector<double>& magnitudes) {
  const double sum = std::accumulate(magnitudes.begin(), magnitudes.end(), 0.0);
  return std::ldexp(static_cast<double>(scale.rounded), scale.exponent) +
         static_cast<double>(magnitudes.size()) * std::numeric_limits<double>::epsilon() * sum +
         std::numeric_limits<double>::denorm_min();
}

// Makes `found` the selection of everything that is worth training, for a search that was cut short before it found
// anything. If all of it together is worth no more than 0, no selection is: `found` is then the base alone, and that is
// proved. Leaves found.cost to the caller.
void SelectEverything(const std::vector<int64_t>& values, const std::vector<bool>& worthless, const RatioBase& base,
                      RatioResult& found) {
  const int64_t most = std::accumulate(values.begin(), values.end(), base.value);
  if (most <= 0) {
    found.trainable.assign(values.size(), false);
    found.value = base.value;
    found.ratio_bound = 0;
    found.is_proved = true;
    return;
  }
  found.trainable = worthless;
  found.trainable.flip();
  found.value = most;
  const auto least_cost = static_cast<double>(std::max<int64_t>(1, base.cost));
  found.ratio_bound = std::min(found.ratio_bound, static_cast<double>(most) / least_cost);
}

}  // namespace

double SelectionValue(const std::vector<bool>& trainable, const std::vector<double>& importance) {
  double sum = 0;
  auto value = importance.begin();
  for (const bool is_trained : trainable) {
    if (is_trained) sum += *value;
    ++value;
  }
  return sum;
}

size_t PlansAfterStop(const ModelProfile& profile) {
  return profile.ops.size() + profile.tensors.size() < kLargeProfile ? 2 : 1;
}

SelectionSolver::SelectionSolver(const ModelProfile& profile) : profile_(profile) {}

SelectionResult SelectionSolver::Solve(const SelectionProblem& problem, WorkMeter& request) const {
  Prepared prepared(request);
  Prepare(problem, prepared, request);
  return SolvePrepared(problem, prepared, problem.backward_budget, request);
}

SelectionResult SelectionSolver::Solve(const SelectionProblem& problem) const {
  WorkMeter unlimited;
  return Solve(problem, unlimited);
}

SelectionResult SelectionSolver::SolveBestRatio(const SelectionProblem& problem, int64_t forward_cost,
                                                WorkMeter& request) const {
  Prepared prepared(request);
  Prepare(problem, prepared, request);
  const std::vector<double>& importance = *problem.importance;
  // What is pinned counts in the ratio, so its value needs the same units, whatever its sign.
  std::vector<double> magnitudes = importance;
  for (size_t k = 0; k < magnitudes.size(); ++k) {
    magnitudes[k] = prepared.pinned[k] ? std::abs(importance[k]) : prepared.ranked->importance[k];
  }
  ValueScale scale = ValueScale::Of(magnitudes);
  RatioBase base{.value = 0, .cost = forward_cost + prepared.pinned_cost};
  for (size_t k = 0; k < magnitudes.size(); ++k) {
    if (prepared.pinned[k]) base.value += (importance[k] < 0 ? -1 : 1) * std::exchange(scale.units[k], 0);
  }
  WorkMeter meter(problem.work_limit, request);
  const RatioResult found = SearchRatio(prepared, scale.units, base, meter);
  SelectionResult result;
  result.trainable = Union(found.trainable, prepared.pinned);
  const double value = SelectionValue(result.trainable, importance);
  result.proved = found.is_proved;
  result.upper_bound = value;
  if (found.is_proved) return result;

  const auto cost = static_cast<double>(std::max<int64_t>(1, found.cost));
  const double slack = RatioSlack(scale, magnitudes) * (cost / static_cast<double>(std::max<int64_t>(1, base.cost)));
  const double bound = std::ldexp(found.ratio_bound * cost * static_cast<double>(scale.divisor), scale.exponent) *
                           (1 + 4 * std::numeric_limits<double>::epsilon()) +
                       slack;
  result.upper_bound = std::max(value, std::min(bound, std::numeric_limits<double>::max()));
  return result;
}

void SelectionSolver::SolveCurve(const SelectionProblem& problem, const std::vector<int64_t>& backward_budgets,
                                 WorkMeter& request, const CurveVisitor& visit) const {
  Prepared prepared(request);
  Prepare(problem, prepared, request);
  // From the highest budget down, so that each can start from the one before.
  std::vector<int> order(backward_budgets.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return backward_budgets[a] > backward_budgets[b]; });
  size_t at_a_time = 1;
  for (auto begin = order.begin(); begin != order.end();) {
    const auto num_left = static_cast<size_t>(order.end() - begin);
    if (request.stopped() && at_a_time == 1) at_a_time = num_left / PlansAfterStop(profile_) + 1;
    auto end = begin + static_cast<std::ptrdiff_t>(std::min(num_left, at_a_time));
    // What fits the lowest of several budgets fits them all, unless nothing does; the bound after a stop is that of
    // any.
    while (end > begin + 1 && backward_budgets[*(end - 1)] < 0) --end;
    visit(SolvePrepared(problem, prepared, backward_budgets[*(end - 1)], request), {begin, end});
    begin = end;
  }
}

size_t SelectionSolver::MemoryBytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  int64_t bytes = live_sets_ == nullptr ? 0 : live_sets_->MemoryBytes();
  if (last_ranked_ == nullptr) return bytes;
  if (last_ranked_->live_sets != live_sets_) bytes += last_ranked_->live_sets->MemoryBytes();
  if (last_ranked_->ranking) bytes += last_ranked_->ranking->MemoryBytes();
  bytes += static_cast<int64_t>(last_ranked_->importance.capacity() * sizeof(double) +
                                last_ranked_->scale.units.capacity() * sizeof(int64_t));
  return bytes;
}

void SelectionSolver::Prepare(const SelectionProblem& problem, Prepared& prepared, WorkMeter& request) const {
  const int num_tensors = static_cast<int>(profile_.tensors.size());
  std::vector<double> importance = *problem.importance;
  prepared.pinned.resize(num_tensors, false);
  for (int k = 0; k < num_tensors; ++k) {
    if (problem.pins[k] != Pin::kFree) importance[k] = 0;
    if (problem.pins[k] != Pin::kAlways) continue;
    prepared.pinned[k] = true;
    prepared.any_pinned = true;
    prepared.pinned_cost += profile_.tensors[k].weight_grad_cost;
    prepared.pinned_saved_bytes += profile_.tensors[k].saved_bytes;
  }
  prepared.live.resize(profile_.ops.size(), false);
  if (prepared.any_pinned) prepared.live = LiveOps(profile_, prepared.pinned);
  {
    WorkMeter structure(kStructureWork, request, kStructureBytes);
    prepared.ranked = Rank(std::move(importance), prepared, structure);
  }
  // Counted also if it was here before, so that the result does not depend on that.
  prepared.is_cut_short = request.stopped() || !prepared.held.Grow(prepared.ranked->search_bytes);
  if (prepared.ranked->ranking) prepared.search.emplace(*prepared.ranked->ranking, num_tensors);
}

std::shared_ptr<const SelectionSolver::Ranked> SelectionSolver::Rank(std::vector<double> importance,
                                                                     const Prepared& prepared, WorkMeter& meter) const {
  if (!prepared.any_pinned) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (last_ranked_ != nullptr && last_ranked_->importance == importance) return last_ranked_;
    last_ranked_.reset();
  }
  auto ranked = std::make_shared<Ranked>();
  ranked->live_sets = LiveSets(importance, prepared, meter);
  ranked->scale = ValueScale::Of(importance);
  ranked->importance = std::move(importance);
  ranked->search_bytes = ranked->live_sets->SearchBytes();
  if (ranked->live_sets->is_complete) ranked->ranking.emplace(*ranked->live_sets, ranked->scale.units, meter);
  if (meter.stopped()) {
    ranked->ranking.reset();
  } else if (!prepared.any_pinned) {
    const std::lock_guard<std::mutex> lock(mutex_);
    last_ranked_ = ranked;
  }
  return ranked;
}

std::shared_ptr<const LiveSetTree> SelectionSolver::LiveSets(const std::vector<double>& importance,
                                                             const Prepared& prepared, WorkMeter& meter) const {
  // Without pins the live sets are those of the profile; with pins the pinned tensors' live ops are the tree's root.
  const bool is_shared = !prepared.any_pinned;
  if (is_shared) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (live_sets_ != nullptr) return live_sets_;
  }
  // What importance tells is no part of what is shared.
  const std::vector<bool> excluded =
      is_shared ? std::vector<bool>(profile_.tensors.size(), false) : Worthless(importance);
  auto live_sets = std::make_shared<const LiveSetTree>(BuildLiveSets(profile_, prepared.live, excluded, {}, meter));
  if (is_shared && !meter.stopped()) {
    const std::lock_guard<std::mutex> lock(mutex_);
    live_sets_ = live_sets;
  }
  return live_sets;
}

SelectionResult SelectionSolver::SolvePrepared(const SelectionProblem& problem, Prepared& prepared,
                                               int64_t backward_budget, WorkMeter& request) const {
  if (backward_budget < 0) return {.trainable = prepared.pinned, .upper_bound = 0, .proved = true};
  const int64_t free_budget = backward_budget - prepared.pinned_cost;
  const bool is_searched = !prepared.is_cut_short && !request.stopped();
  LiveSetResult found =
      is_searched ? Search(problem, prepared, free_budget, request) : NothingFound(prepared.ranked->scale.units);
  const bool is_cut_short = prepared.is_cut_short || request.stopped();
  // A search that came close needs no more; the downscaled program, if it ended, is what was asked for.
  if ((is_cut_short || problem.resolution == 0) && found.upper_bound - found.value > found.upper_bound / 16) {
    found = BestOf(std::move(found), SelectShallow(prepared, free_budget, problem.max_saved_bytes));
  }
  const std::vector<double>& importance = *problem.importance;
  SelectionResult result;
  result.trainable = prepared.any_pinned ? Union(found.trainable, prepared.pinned) : found.trainable;
  const double value = SelectionValue(result.trainable, importance);
  result.upper_bound = value;
  result.proved = found.upper_bound == found.value;
  if (result.proved) return result;

  const double free_bound = prepared.ranked->scale.UpperBound(found.upper_bound);
  double magnitude = std::abs(free_bound);
  for (size_t k = 0; k < importance.size(); ++k) magnitude += prepared.pinned[k] ? std::abs(importance[k]) : 0;
  // What adding up doubles one by one may be off.
  const double slack = static_cast<double>(importance.size()) * std::numeric_limits<double>::epsilon() * magnitude;
  double bound = free_bound + SelectionValue(prepared.pinned, importance) + slack;
  // The slack of sums that are subnormal is too small for a double, and sums near the largest double may exceed it.
  if (std::abs(bound) < std::numeric_limits<double>::min()) bound += std::numeric_limits<double>::denorm_min();
  result.upper_bound = std::max(value, std::min(bound, std::numeric_limits<double>::max()));
  return result;
}

RatioResult SelectionSolver::SearchRatio(const Prepared& prepared, const std::vector<int64_t>& values,
                                         const RatioBase& base, WorkMeter& meter) const {
  const LiveSetTree& live_sets = *prepared.ranked->live_sets;
  const int64_t root_cost = live_sets.nodes[0].cost;
  const std::vector<bool> worthless = Worthless(prepared.ranked->importance);
  RatioResult found;
  found.ratio_bound = std::numeric_limits<double>::max();
  // Without pins the units are those that the ranking was made of.
  std::optional<Ranking> own_ranking;
  if (!prepared.is_cut_short && (prepared.any_pinned || !prepared.ranked->ranking)) {
    own_ranking.emplace(live_sets, values, meter);
  }
  if (!prepared.is_cut_short && !meter.stopped()) {
    const Ranking& ranking = own_ranking ? *own_ranking : *prepared.ranked->ranking;
    found = SearchBestRatio(ranking, static_cast<int>(values.size()), base, meter);
    if (!found.is_proved && !live_sets.is_complete && !meter.exhausted()) {
      found = ImproveBestRatioByClosures(profile_, prepared.live, root_cost, worthless, values, base, std::move(found),
                                         meter);
    }
  }
  if (found.is_proved || found.value > 0) return found;
  SelectEverything(values, worthless, base, found);
  const MaskCost with_pinned = EvaluateMask(profile_, Union(found.trainable, prepared.pinned));
  found.cost = base.cost - prepared.pinned_cost + with_pinned.backward_cost;
  return found;
}

LiveSetResult SelectionSolver::SelectShallow(Prepared& prepared, int64_t free_budget,
                                             std::optional<int64_t> max_saved_bytes) const {
  if (!prepared.shallow) {
    prepared.shallow.emplace(profile_, prepared.live, prepared.ranked->scale.units);
  }
  const LiveSetTree::Node& root = prepared.ranked->live_sets->nodes[0];
  int64_t bytes = std::numeric_limits<int64_t>::max();
  if (max_saved_bytes) bytes = *max_saved_bytes - prepared.pinned_saved_bytes - root.saved_bytes;
  return prepared.shallow->Select(free_budget - root.cost, bytes);
}

LiveSetResult SelectionSolver::Search(const SelectionProblem& problem, Prepared& prepared, int64_t free_budget,
                                      WorkMeter& request) const {
  if (problem.resolution > 0) {
    WorkMeter meter(problem.downscaled_work_limit, request);
    return SearchDownscaled(problem, prepared, free_budget, meter);
  }
  // With a second limit, what keeps the first alone needs no proof: its bound holds, and it may keep both.
  const bool has_byte_limit = problem.max_saved_bytes.has_value();
  LiveSetResult found;
  {
    WorkMeter meter(has_byte_limit ? problem.work_limit / 4 : problem.work_limit, request);
    found = SearchWithoutByteLimit(prepared, free_budget, meter);
  }
  if (!has_byte_limit) return found;
  const MaskCost cost = EvaluateMask(profile_, Union(found.trainable, prepared.pinned));
  if (cost.saved_bytes > *problem.max_saved_bytes) {
    found = {.upper_bound = found.upper_bound, .trainable = std::vector<bool>(found.trainable.size(), false)};
  }
  if (request.stopped() || found.upper_bound == found.value) return found;
  WorkMeter meter(problem.work_limit, request);
  return BestOf(SearchWithByteLimit(problem, prepared, free_budget, meter), std::move(found));
}

LiveSetResult SelectionSolver::SearchWithByteLimit(const SelectionProblem& problem, const Prepared& prepared,
                                                   int64_t free_budget, WorkMeter& meter) const {
  const Ranked& ranked = *prepared.ranked;
  const LiveSetTree with_bytes = [&] {
    WorkMeter structure(WorkMeter::kNoLimit, meter, kStructureBytes);
    return BuildLiveSets(profile_, prepared.live, Worthless(ranked.importance), {.use_saved_bytes = true}, structure);
  }();
  HeldBytes held(meter);
  if (meter.stopped() || !held.Grow(with_bytes.SearchBytes())) return NothingFound(ranked.scale.units);
  return SearchLiveSetsWithByteLimit(with_bytes, ranked.scale.units, free_budget,
                                     *problem.max_saved_bytes - prepared.pinned_saved_bytes, meter);
}

LiveSetResult SelectionSolver::SearchWithoutByteLimit(Prepared& prepared, int64_t free_budget, WorkMeter& meter) const {
  if (prepared.search) return prepared.search->Run(free_budget, meter);
  // Closures first: where not all live sets could be enumerated theirs is the better bound, and the sooner one.
  const LiveSetTree& live_sets = *prepared.ranked->live_sets;
  const std::vector<int64_t>& units = prepared.ranked->scale.units;
  const int64_t budget = free_budget - live_sets.nodes[0].cost;
  LiveSetResult found =
      BestOf(SelectShallow(prepared, free_budget, std::nullopt),
             SearchClosures(profile_, prepared.live, Worthless(prepared.ranked->importance), units, budget, meter));
  if (found.upper_bound == found.value || meter.exhausted()) return found;
  const Ranking ranking(live_sets, units, meter);
  if (meter.stopped()) return found;
  return BestOf(std::move(found), LiveSetSearch(ranking, static_cast<int>(units.size())).Run(free_budget, meter));
}

LiveSetResult SelectionSolver::SearchDownscaled(const SelectionProblem& problem, Prepared& prepared,
                                                int64_t free_budget, WorkMeter& meter) const {
  const LiveSetTree& live_sets = *prepared.ranked->live_sets;
  const std::vector<int64_t>& units = prepared.ranked->scale.units;
  LiveSetResult found = NothingFound(units);
  const int64_t full_backward_cost = EvaluateMask(profile_, FullMask(profile_)).backward_cost;
  found.trainable = SelectDownscaled(live_sets, units, free_budget, full_backward_cost, problem.resolution, meter);
  for (size_t k = 0; k < found.trainable.size(); ++k) found.value += found.trainable[k] ? units[k] : 0;
  if (prepared.ranked->ranking) {
    found.upper_bound = BoundLiveSets(*prepared.ranked->ranking, free_budget, meter);
  } else if (const Ranking ranking(live_sets, units, meter); !meter.stopped()) {
    found.upper_bound = BoundLiveSets(ranking, free_budget, meter);
  }
  found.upper_bound = std::max(found.value, found.upper_bound);
  return found;
}

}  // namespace greenplan
