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

// What building the live sets may take at most: a tenth of a second or two.
constexpr int64_t kStructureWork = 20'000'000;

std::vector<bool> Union(const std::vector<bool>& a, const std::vector<bool>& b) {
  std::vector<bool> both(a.size());
  for (size_t k = 0; k < a.size(); ++k) both[k] = a[k] || b[k];
  return both;
}

// Tensors that are not worth selecting.
std::vector<bool> Worthless(const std::vector<double>& importance) {
  std::vector<bool> worthless(importance.size());
  for (size_t k = 0; k < importance.size(); ++k) worthless[k] = importance[k] <= 0;
  return worthless;
}

}  // namespace

double SelectionValue(const std::vector<bool>& trainable, const std::vector<double>& importance) {
  double sum = 0;
  for (size_t k = 0; k < trainable.size(); ++k) {
    if (trainable[k]) sum += importance[k];
  }
  return sum;
}

SelectionSolver::SelectionSolver(const ModelProfile& profile)
    : profile_(profile), full_backward_cost_(EvaluateMask(profile, FullMask(profile)).backward_cost) {}

SelectionResult SelectionSolver::Solve(const SelectionProblem& problem) const {
  Prepared prepared;
  Prepare(problem, prepared);
  return SolvePrepared(problem, prepared, problem.backward_budget);
}

std::vector<SelectionResult> SelectionSolver::SolveCurve(const SelectionProblem& problem,
                                                         const std::vector<int64_t>& backward_budgets) const {
  Prepared prepared;
  Prepare(problem, prepared);
  // From the highest budget down, so that each can start from the one before.
  std::vector<int> order(backward_budgets.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return backward_budgets[a] > backward_budgets[b]; });
  std::vector<SelectionResult> results(backward_budgets.size());
  for (int i : order) results[i] = SolvePrepared(problem, prepared, backward_budgets[i]);
  return results;
}

void SelectionSolver::Prepare(const SelectionProblem& problem, Prepared& prepared) const {
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
  WorkMeter meter(kStructureWork, problem.should_stop);
  prepared.ranked = Rank(std::move(importance), prepared, meter);
  prepared.is_stopped = meter.stopped();
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
  if (ranked->live_sets->is_complete) ranked->ranking.emplace(*ranked->live_sets, ranked->scale.units, meter);
  if (meter.stopped()) {
    ranked->ranking.reset();  // Of no use.
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
                                               int64_t backward_budget) const {
  const int64_t free_budget = backward_budget - prepared.pinned_cost;
  bool is_stopped = prepared.is_stopped;
  LiveSetResult found = NothingFound(prepared.ranked->scale.units);
  if (!is_stopped) found = Search(problem, prepared, free_budget, is_stopped);
  // A search that came close needs no more.
  if (is_stopped && found.upper_bound - found.value > found.upper_bound / 16) {
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
                                      bool& is_stopped) const {
  LiveSetResult found;
  if (problem.resolution > 0) {
    // The program's length is known beforehand: only a stop ends it.
    WorkMeter meter(std::numeric_limits<int64_t>::max(), problem.should_stop);
    found = SearchDownscaled(problem, prepared, free_budget, meter);
    is_stopped = meter.stopped();
    return found;
  }
  // With a second limit, what keeps the first alone needs no proof: its bound holds, and it may keep both.
  const bool has_byte_limit = problem.max_saved_bytes.has_value();
  WorkMeter meter(has_byte_limit ? problem.work_limit / 4 : problem.work_limit, problem.should_stop);
  found = SearchWithoutByteLimit(prepared, free_budget, meter);
  is_stopped = meter.stopped();
  if (!has_byte_limit) return found;
  const MaskCost cost = EvaluateMask(profile_, Union(found.trainable, prepared.pinned));
  if (cost.saved_bytes > *problem.max_saved_bytes) {
    found = {.upper_bound = found.upper_bound, .trainable = std::vector<bool>(found.trainable.size(), false)};
  }
  if (is_stopped || found.upper_bound == found.value) return found;
  WorkMeter rest(problem.work_limit, problem.should_stop);
  found = BestOf(SearchWithByteLimit(problem, prepared, free_budget, rest), std::move(found));
  is_stopped = rest.stopped();
  return found;
}

LiveSetResult SelectionSolver::SearchWithByteLimit(const SelectionProblem& problem, const Prepared& prepared,
                                                   int64_t free_budget, WorkMeter& meter) const {
  const Ranked& ranked = *prepared.ranked;
  const LiveSetTree with_bytes =
      BuildLiveSets(profile_, prepared.live, Worthless(ranked.importance), {.use_saved_bytes = true}, meter);
  if (meter.stopped()) return NothingFound(ranked.scale.units);
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
  found.trainable = SelectDownscaled(live_sets, units, free_budget, full_backward_cost_, problem.resolution, meter);
  for (size_t k = 0; k < found.trainable.size(); ++k) found.value += found.trainable[k] ? units[k] : 0;
  if (prepared.ranked->ranking) {
    found.upper_bound = BoundLiveSets(*prepared.ranked->ranking, free_budget);
  } else if (const Ranking ranking(live_sets, units, meter); !meter.stopped()) {
    found.upper_bound = BoundLiveSets(ranking, free_budget);
  }
  found.upper_bound = std::max(found.value, found.upper_bound);
  return found;
}

}  // namespace greenplan
