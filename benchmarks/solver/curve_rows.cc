#include <cstdio>
#include <vector>

#include "benchmarks/solver/measure.h"
#include "benchmarks/solver/problems.h"
#include "benchmarks/solver/rows.h"
#include "planner/core/selection/selection.h"

namespace greenplan {
namespace {

void PrintCurve(int size, ImportanceKind kind, const char* label) {
  const ModelProfile profile = MakeProfile(GraphShape::kChain, size, 99);
  TestRandom random(size);
  const std::vector<double> importance = RandomImportance(profile, kind, random);
  const SelectionSolver solver(profile);
  WarmUp(solver, profile);
  const SelectionProblem one = MakeProblem(profile, importance, 0.5);
  const double plan = Microseconds([&] { solver.Solve(one); });
  std::vector<int64_t> budgets;
  for (int i = 1; i <= 1000; ++i) budgets.push_back(one.backward_budget / 500 * i);
  SelectionProblem problem = one;
  problem.work_limit = 200000;
  int64_t unproved = 0;
  WorkMeter unlimited;
  const double curve = Microseconds([&] {
    solver.SolveCurve(problem, budgets, unlimited, [&](const SelectionResult& result, const std::vector<int>& points) {
      unproved += result.proved ? 0 : static_cast<int64_t>(points.size());
    });
  });
  std::printf("| curve of 1,000 budgets, %s | / one plan | %.0f | | %.1f ms, %ld with a gap |\n", label, curve / plan,
              curve / 1000, static_cast<long>(unproved));
}

}  // namespace

void PrintCurveRows() {
  PrintCurve(700, ImportanceKind::kHeavyTailed, "700 tensors");
  PrintCurve(700, ImportanceKind::kCostProportional, "700 tensors, cost-proportional");
}

}  // namespace greenplan
