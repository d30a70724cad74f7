#include "planner/core/selection.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "planner/core/byte_limit_search.h"
#include "planner/core/cost.h"
#include "planner/core/live_set_search.h"
#include "planner/core/ranking.h"
#include "planner/core/value_scale.h"

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
      live_sets_(BuildLiveSets(profile, std::vector<bool>(profile.ops.size(), false),
                               std::vector<bool>(profile.tensors.size(), false), {})) {}

SelectionResult SelectionSolver::Solve(const SelectionProblem& problem) const {
  const int num_tensors = static_cast<int>(profile_.tensors.size());
  std::vector<double> free_importance = *problem.importance;
  std::vector<bool> pinned(num_tensors, false);
  std::vector<bool> excluded(num_tensors, false);
  bool any_pinned = false;
  for (int k = 0; k < num_tensors; ++k) {
    pinned[k] = problem.pins[k] == Pin::kAlways;
    any_pinned |= pinned[k];
    if (problem.pins[k] != Pin::kFree) free_importance[k] = 0;
    excluded[k] = free_importance[k] <= 0;
  }
  int64_t budget = problem.backward_budget;
  const LiveSetTree* live_sets = &live_sets_;
  LiveSetTree own;
  if (any_pinned) {
    // The pinned tensors' own cost comes off the budget, their live ops are the tree's root.
    for (int k = 0; k < num_tensors; ++k) {
      if (pinned[k]) budget -= profile_.tensors[k].weight_grad_cost;
    }
    own = BuildLiveSets(profile_, LiveOps(profile_, pinned), excluded, {});
    live_sets = &own;
  }

  const ValueScale scale = ValueScale::Of(free_importance);
  const Ranking ranking(*live_sets, scale.units);
  WorkMeter meter(problem.work_limit, problem.should_stop);
  LiveSetResult found = SearchLiveSets(ranking, num_tensors, budget, meter);
  if (problem.max_saved_bytes) {
    const std::vector<bool> with_pins = Union(found.trainable, pinned);
    if (EvaluateMask(profile_, with_pins).saved_bytes > *problem.max_saved_bytes) {
      int64_t max_bytes = *problem.max_saved_bytes;
      for (int k = 0; k < num_tensors; ++k) {
        if (pinned[k]) max_bytes -= profile_.tensors[k].saved_bytes;
      }
      own = BuildLiveSets(profile_, LiveOps(profile_, pinned), excluded, {.use_saved_bytes = true});
      found = SearchLiveSetsWithByteLimit(own, scale.units, budget, max_bytes, meter);
    }
  }

  SelectionResult result;
  result.trainable = Union(found.trainable, pinned);
  const double value = SumOver(result.trainable, *problem.importance);
  result.proved = found.upper_bound == found.value;
  if (result.proved) {
    result.upper_bound = value;
  } else {
    double magnitude = 0;
    for (int k = 0; k < num_tensors; ++k) magnitude += pinned[k] ? std::abs((*problem.importance)[k]) : 0;
    const double pinned_value = SumOver(pinned, *problem.importance);
    const double free_bound = scale.UpperBound(found.upper_bound);
    // What adding up doubles one by one may be off.
    const double slack = num_tensors * std::numeric_limits<double>::epsilon() * (magnitude + std::abs(free_bound));
    result.upper_bound = std::max(value, free_bound + pinned_value + slack);
  }
  return result;
}

}  // namespace greenplan
