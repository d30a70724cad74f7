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

double SumOver(const std::vector<bool>& mask, const std::vector<double>& importance) {
  double sum = 0;
  for (size_t k = 0; k < mask.size(); ++k) {
    if (mask[k]) sum += importance[k];
  }
  return sum;
}

std::vector<bool> Union(const std::vector<bool>& a, const std::vector<bool>& b) {
  std::vector<bool> both(a.size());
  for (size_t k = 0; k < a.size(); ++k) both[k] = a[k] || b[k];
  return both;
}

}  // namespace

SelectionSolver::SelectionSolver(const ModelProfile& profile)
    : profile_(profile),
      full_backward_cost_(EvaluateMask(profile, FullMask(profile)).backward_cost),
      live_sets_(BuildLiveSets(profile, std::vector<bool>(profile.ops.size(), false),
                               std::vector<bool>(profile.tensors.size(), false), {})) {}

SelectionResult SelectionSolver::Solve(const SelectionProblem& problem) const {
  const FreePart free = FreePartOf(problem);
  const ValueScale scale = ValueScale::Of(free.importance);
  const LiveSetResult found = Search(problem, free, scale);

  SelectionResult result;
  result.trainable = Union(found.trainable, free.pinned);
  const double value = SumOver(result.trainable, *problem.importance);
  result.upper_bound = value;
  result.proved = found.upper_bound == found.value;
  if (result.proved) return result;

  const double free_bound = scale.UpperBound(found.upper_bound);
  double magnitude = std::abs(free_bound);
  for (size_t k = 0; k < free.pinned.size(); ++k) magnitude += free.pinned[k] ? std::abs((*problem.importance)[k]) : 0;
  // What adding up doubles one by one may be off.
  const double slack = static_cast<double>(free.pinned.size()) * std::numeric_limits<double>::epsilon() * magnitude;
  result.upper_bound = std::max(value, free_bound + SumOver(free.pinned, *problem.importance) + slack);
  return result;
}

SelectionSolver::FreePart SelectionSolver::FreePartOf(const SelectionProblem& problem) const {
  const int num_tensors = static_cast<int>(profile_.tensors.size());
  FreePart free;
  free.importance = *problem.importance;
  free.pinned.resize(num_tensors, false);
  free.excluded.resize(num_tensors, false);
  free.backward_budget = problem.backward_budget;
  free.max_saved_bytes = problem.max_saved_bytes.value_or(0);
  for (int k = 0; k < num_tensors; ++k) {
    if (problem.pins[k] != Pin::kFree) free.importance[k] = 0;
    free.excluded[k] = free.importance[k] <= 0;
    if (problem.pins[k] != Pin::kAlways) continue;
    free.pinned[k] = true;
    free.any_pinned = true;
    free.backward_budget -= profile_.tensors[k].weight_grad_cost;
    free.max_saved_bytes -= profile_.tensors[k].saved_bytes;
  }
  return free;
}

LiveSetResult SelectionSolver::Search(const SelectionProblem& problem, const FreePart& free,
                                      const ValueScale& scale) const {
  // Without pins the live sets are those of the profile; with pins the pinned tensors' live ops are the tree's root.
  const LiveSetTree* live_sets = &live_sets_;
  LiveSetTree own;
  if (free.any_pinned) {
    own = BuildLiveSets(profile_, LiveOps(profile_, free.pinned), free.excluded, {});
    live_sets = &own;
  }
  const int num_tensors = static_cast<int>(profile_.tensors.size());
  const Ranking ranking(*live_sets, scale.units);
  if (problem.resolution > 0) return SearchDownscaled(problem, *live_sets, free, ranking, scale);

  WorkMeter meter(problem.work_limit, problem.should_stop);
  LiveSetResult found = SearchLiveSets(ranking, num_tensors, free.backward_budget, meter);
  if (found.upper_bound > found.value) {
    const int64_t for_free = free.backward_budget - live_sets->nodes[0].cost;
    LiveSetResult other =
        SearchClosures(profile_, LiveOps(profile_, free.pinned), free.excluded, scale.units, for_free, meter);
    const int64_t upper_bound = std::min(found.upper_bound, other.upper_bound);
    if (other.value > found.value) found = std::move(other);
    found.upper_bound = std::max(upper_bound, found.value);
  }
  if (!problem.max_saved_bytes) return found;
  const std::vector<bool> mask = Union(found.trainable, free.pinned);
  if (EvaluateMask(profile_, mask).saved_bytes <= *problem.max_saved_bytes) return found;
  const LiveSetTree with_bytes =
      BuildLiveSets(profile_, LiveOps(profile_, free.pinned), free.excluded, {.use_saved_bytes = true});
  return SearchLiveSetsWithByteLimit(with_bytes, scale.units, free.backward_budget, free.max_saved_bytes, meter);
}

LiveSetResult SelectionSolver::SearchDownscaled(const SelectionProblem& problem, const LiveSetTree& live_sets,
                                                const FreePart& free, const Ranking& ranking,
                                                const ValueScale& scale) const {
  LiveSetResult found;
  found.trainable =
      SelectDownscaled(live_sets, scale.units, free.backward_budget, full_backward_cost_, problem.resolution);
  for (size_t k = 0; k < found.trainable.size(); ++k) found.value += found.trainable[k] ? scale.units[k] : 0;
  found.upper_bound = std::max(found.value, BoundLiveSets(ranking, free.backward_budget));
  return found;
}

}  // namespace greenplan
