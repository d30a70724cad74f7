#include "planner/core/selection.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "planner/core/byte_limit_search.h"
#include "planner/core/closure_search.h"
#include "planner/core/cost.h"
#include "planner/core/downscaled.h"
#include "planner/core/work_meter.h"

namespace greenplan {
namespace {

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
    : profile_(profile),
      full_backward_cost_(EvaluateMask(profile, FullMask(profile)).backward_cost),
      live_sets_(BuildLiveSets(profile, std::vector<bool>(profile.ops.size(), false),
                               std::vector<bool>(profile.tensors.size(), false), {})) {}

SelectionResult SelectionSolver::Solve(const SelectionProblem& problem) const {
  Prepared prepared;
  Prepare(problem, prepared);
  return SolvePrepared(problem, prepared, problem.backward_budget);
}

std::vector<SelectionResult> SelectionSolver::SolveCurve(const SelectionProblem& problem,
                                                         const std::vector<int64_t>& backward_budgets) const {
  Prepared prepared;
  Prepare(problem, prepared);
  std::vector<SelectionResult> results;
  results.reserve(backward_budgets.size());
  for (int64_t budget : backward_budgets) results.push_back(SolvePrepared(problem, prepared, budget));
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
  // Without pins the live sets are those of the profile; with pins the pinned tensors' live ops are the tree's root.
  prepared.live_sets = &live_sets_;
  if (prepared.any_pinned) {
    prepared.own_live_sets = BuildLiveSets(profile_, LiveOps(profile_, prepared.pinned), prepared.excluded, {});
    prepared.live_sets = &prepared.own_live_sets;
  }
  prepared.scale = ValueScale::Of(prepared.importance);
  prepared.ranking.emplace(*prepared.live_sets, prepared.scale.units);
}

SelectionResult SelectionSolver::SolvePrepared(const SelectionProblem& problem, const Prepared& prepared,
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

LiveSetResult SelectionSolver::Search(const SelectionProblem& problem, const Prepared& prepared,
                                      int64_t free_budget) const {
  if (problem.resolution > 0) return SearchDownscaled(problem, prepared, free_budget);
  WorkMeter meter(problem.work_limit, problem.should_stop);
  LiveSetResult found =
      SearchLiveSets(*prepared.ranking, static_cast<int>(profile_.tensors.size()), free_budget, meter);
  if (found.upper_bound > found.value) ImproveByClosures(prepared, free_budget, meter, found);
  if (!problem.max_saved_bytes) return found;
  const std::vector<bool> mask = Union(found.trainable, prepared.pinned);
  if (EvaluateMask(profile_, mask).saved_bytes <= *problem.max_saved_bytes) return found;
  const LiveSetTree with_bytes =
      BuildLiveSets(profile_, LiveOps(profile_, prepared.pinned), prepared.excluded, {.use_saved_bytes = true});
  return SearchLiveSetsWithByteLimit(with_bytes, prepared.scale.units, free_budget,
                                     *problem.max_saved_bytes - prepared.pinned_saved_bytes, meter);
}

void SelectionSolver::ImproveByClosures(const Prepared& prepared, int64_t free_budget, WorkMeter& meter,
                                        LiveSetResult& found) const {
  const std::vector<LiveSetTree::Node>& nodes = prepared.live_sets->nodes;
  const bool is_complete =
      std::none_of(nodes.begin(), nodes.end(), [](const LiveSetTree::Node& node) { return node.relaxed; });
  if (is_complete || meter.exhausted()) return;
  LiveSetResult other = SearchClosures(profile_, LiveOps(profile_, prepared.pinned), prepared.excluded,
                                       prepared.scale.units, free_budget - nodes[0].cost, meter);
  const int64_t upper_bound = std::min(found.upper_bound, other.upper_bound);
  if (other.value > found.value) found = std::move(other);
  found.upper_bound = std::max(upper_bound, found.value);
}

LiveSetResult SelectionSolver::SearchDownscaled(const SelectionProblem& problem, const Prepared& prepared,
                                                int64_t free_budget) const {
  // The program's length is known beforehand: only a stop ends it.
  WorkMeter meter(std::numeric_limits<int64_t>::max(), problem.should_stop);
  LiveSetResult found;
  found.trainable = SelectDownscaled(*prepared.live_sets, prepared.scale.units, free_budget, full_backward_cost_,
                                     problem.resolution, meter);
  for (size_t k = 0; k < found.trainable.size(); ++k) found.value += found.trainable[k] ? prepared.scale.units[k] : 0;
  found.upper_bound = std::max(found.value, BoundLiveSets(*prepared.ranking, free_budget));
  return found;
}

}  // namespace greenplan
