#include "benchmarks/solver/problems.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "benchmarks/solver/measure.h"
#include "planner/core/cost.h"

namespace greenplan {

ModelProfile MakeProfile(GraphShape shape, int size, uint64_t seed) {
  TestRandom random(seed);
  return RandomProfile({.shape = shape, .size = size, .max_cost = int64_t{1} << 38, .free_share = 0.15}, random);
}

SelectionProblem MakeProblem(const ModelProfile& profile, const std::vector<double>& importance, double fraction) {
  SelectionProblem problem;
  problem.importance = &importance;
  for (const Tensor& tensor : profile.tensors) problem.pins.push_back(tensor.op == kNone ? Pin::kNever : Pin::kFree);
  problem.backward_budget =
      static_cast<int64_t>(fraction * static_cast<double>(EvaluateMask(profile, FullMask(profile)).backward_cost));
  return problem;
}

void WarmUp(const SelectionSolver& solver, const ModelProfile& profile) {
  TestRandom random(1);
  const std::vector<double> importance = RandomImportance(profile, ImportanceKind::kDecaying, random);
  solver.Solve(MakeProblem(profile, importance, 0.5));
}

double SortTime(const ModelProfile& profile, const std::vector<double>& importance) {
  std::vector<std::pair<double, int>> order(importance.size());
  for (size_t k = 0; k < order.size(); ++k) {
    order[k] = {-importance[k] / (static_cast<double>(profile.tensors[k].weight_grad_cost) + 1), static_cast<int>(k)};
  }
  return Microseconds([&] { std::sort(order.begin(), order.end()); });
}

}  // namespace greenplan
