#include "planner/core/selection.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "planner/core/byte_limit_search.h"
#include "planner/core/closure_search.h"
#include "planner/core/cost.h"
#include "planner/core/downscaled.h"
#include "planner/core/work_meter.h"

namespace greenplan {
namespace {

// What building the live sets may take at most: a few tenths of a second.
constexpr int64_t kStructureWork = 100'000'000;

std::vector<bool> Union(const std::vector<bool>& a, const std::vector<bool>& b) {
  std::vector<bool> both(a.size());
  for (size_t k = 0; k < a.size(); ++k) both[k] = a[k] || b[k];
  return both;
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
  prepared.importance = *problem.importance;
  prepared.pinned.resize(num_tensors, false);
  prepared.excluded.resize(num_tensors, false);
  for (int k = 0; k < num_tensors; ++k) {
    if (problem.pins[k] != Pin::kFree) prepared.importance[k] = 0;
    prepared.excluded[k] = prepared.importance[k] <= 0;
    if (problem.pins[k] != Pin::kAlways) continue;
    prepared.pinned[k] = true;
    prepared.any_pinned = true;
    prepared.pinned_cost += profile_.tensors[k].weight_grad_cost;
    prepared.pinned_saved_bytes += profile_.tensors[k].saved_bytes;
  }
  prepared.live_sets = LiveSets(prepared, problem.should_stop);
  prepared.scale = ValueScale::Of(prepared.importance);
  if (!prepared.live_sets->is_complete) return;
  prepared.ranking.emplace(*prepared.live_sets, prepared.scale.units);
  prepared.search.emplace(*prepared.ranking, num_tensors);
}

std::shared_ptr<const LiveSetTree> SelectionSolver::LiveSets(const Prepared& prepared,
                                                             const StopFunction& should_stop) const {
  // Without pins the live sets are those of the profile; with pins the pinned tensors' live ops are the tree's root.
  const bool is_shared = !prepared.any_pinned;
  if (is_shared) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (live_sets_ != nullptr) return live_sets_;
  }
  const std::vector<bool> none(profile_.tensors.size(), false);
  WorkMeter meter(kStructureWork, should_stop);
  auto live_sets = std::make_shared<const LiveSetTree>(
      BuildLiveSets(profile_, LiveOps(profile_, prepared.pinned), is_shared ? none : prepared.excluded, {}, meter));
  if (is_shared && !meter.stopped()) {
    const std::lock_guard<std::mutex> lock(mutex_);
    live_sets_ = live_sets;
  }
  return live_sets;
}

SelectionResult SelectionSolver::SolvePrepared(const SelectionProblem& problem, Prepared& prepared,
                                               int64_t backward_budget) const {
  const LiveSetResult found = Search(problem, prepared, backward_budget - prepared.pinned_cost);
  const std::vector<double>& importance = *problem.importance;
  SelectionResult result;
  result.trainable = prepared.any_pinned ? Union(found.trainable, prepared.pinned) : found.trainable;
  const double value = SelectionValue(result.trainable, importance);
  result.upper_bound = value;
  result.proved = found.upper_bound == found.value;
  if (result.proved) return result;

  const double free_bound = prepared.scale.UpperBound(found.upper_bound);
  double magnitude = std::abs(free_bound);
  for (size_t k = 0; k < importance.size(); ++k) magnitude += prepared.pinned[k] ? std::abs(importance[k]) : 0;
  // What adding up doubles one by one may be off.
  const double slack = static_cast<double>(importance.size()) * std::numeric_limits<double>::epsilon() * magnitude;
  result.upper_bound = std::max(value, free_bound + SelectionValue(prepared.pinned, importance) + slack);
  return result;
}

LiveSetResult SelectionSolver::Search(const SelectionProblem& problem, Prepared& prepared, int64_t free_budget) const {
  if (problem.resolution > 0) return SearchDownscaled(problem, prepared, free_budget);
  const bool has_byte_limit = problem.max_saved_bytes.has_value();
  // With a second limit, what keeps the first alone needs no proof: its bound holds, and it may keep both.
  WorkMeter meter(has_byte_limit ? problem.work_limit / 4 : problem.work_limit, problem.should_stop);
  LiveSetResult found = SearchWithoutByteLimit(prepared, free_budget, meter);
  if (!has_byte_limit) return found;
  const std::vector<bool> mask = Union(found.trainable, prepared.pinned);
  const bool keeps_both = EvaluateMask(profile_, mask).saved_bytes <= *problem.max_saved_bytes;
  if (keeps_both && found.upper_bound == found.value) return found;
  WorkMeter rest(problem.work_limit, problem.should_stop);
  const LiveSetTree with_bytes =
      BuildLiveSets(profile_, LiveOps(profile_, prepared.pinned), prepared.excluded, {.use_saved_bytes = true}, rest);
  LiveSetResult result = SearchLiveSetsWithByteLimit(with_bytes, prepared.scale.units, free_budget,
                                                     *problem.max_saved_bytes - prepared.pinned_saved_bytes, rest);
  const int64_t upper_bound = std::min(result.upper_bound, found.upper_bound);
  if (keeps_both && found.value > result.value) result = std::move(found);
  result.upper_bound = std::max(upper_bound, result.value);
  return result;
}

LiveSetResult SelectionSolver::SearchWithoutByteLimit(Prepared& prepared, int64_t free_budget, WorkMeter& meter) const {
  const int num_tensors = static_cast<int>(profile_.tensors.size());
  if (prepared.live_sets->is_complete) return prepared.search->Run(free_budget, meter);
  // Closures first: where not all live sets could be enumerated theirs is the better bound, and the sooner one.
  LiveSetResult found = SearchClosures(profile_, LiveOps(profile_, prepared.pinned), prepared.excluded,
                                       prepared.scale.units, free_budget - prepared.live_sets->nodes[0].cost, meter);
  if (found.upper_bound == found.value || meter.exhausted()) return found;
  const Ranking ranking(*prepared.live_sets, prepared.scale.units);
  LiveSetResult other = LiveSetSearch(ranking, num_tensors).Run(free_budget, meter);
  const int64_t upper_bound = std::min(found.upper_bound, other.upper_bound);
  if (other.value > found.value) found = std::move(other);
  found.upper_bound = std::max(upper_bound, found.value);
  return found;
}

LiveSetResult SelectionSolver::SearchDownscaled(const SelectionProblem& problem, Prepared& prepared,
                                                int64_t free_budget) const {
  // The program's length is known beforehand: only a stop ends it.
  WorkMeter meter(std::numeric_limits<int64_t>::max(), problem.should_stop);
  LiveSetResult found;
  found.trainable = SelectDownscaled(*prepared.live_sets, prepared.scale.units, free_budget, full_backward_cost_,
                                     problem.resolution, meter);
  for (size_t k = 0; k < found.trainable.size(); ++k) found.value += found.trainable[k] ? prepared.scale.units[k] : 0;
  if (!prepared.ranking) prepared.ranking.emplace(*prepared.live_sets, prepared.scale.units);
  found.upper_bound = std::max(found.value, BoundLiveSets(*prepared.ranking, free_budget));
  return found;
}

}  // namespace greenplan
