#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "benchmarks/solver/measure.h"
#include "benchmarks/solver/problems.h"
#include "benchmarks/solver/rows.h"
#include "planner/core/selection/selection.h"
#include "tests/statistics/quantile.h"

namespace greenplan {
namespace {

// Measures plans of random profiles. A first plan with other importance builds the structure.
void PrintPlans(const char* label, const std::vector<std::pair<GraphShape, int>>& models, int repetitions) {
  std::vector<double> plans, ratios, new_budgets, new_importances;
  int proved = 0;
  uint64_t seed = 1;
  for (const auto& [shape, size] : models) {
    const ModelProfile profile = MakeProfile(shape, size, ++seed);
    for (ImportanceKind kind : kEasyKinds) {
      for (int repetition = 0; repetition < repetitions; ++repetition) {
        TestRandom random(++seed);
        const std::vector<double> importance = RandomImportance(profile, kind, random);
        const std::vector<double> next = RandomImportance(profile, kind, random);
        const double fraction = 0.2 + 0.6 * random.Unit();
        const double sort = SortTime(profile, importance);
        SelectionProblem problem = MakeProblem(profile, importance, fraction);
        std::unique_ptr<SelectionSolver> solver;
        const double first = Microseconds([&] {
          solver = std::make_unique<SelectionSolver>(profile);
          solver->Solve(problem);
        });
        problem = MakeProblem(profile, importance, 0.9 * fraction);
        new_budgets.push_back(Microseconds([&] { solver->Solve(problem); }) / first);
        problem.importance = &next;
        SelectionResult result;
        plans.push_back(Microseconds([&] { result = solver->Solve(problem); }));
        new_importances.push_back(plans.back() / first);
        ratios.push_back(plans.back() / sort);
        proved += result.proved ? 1 : 0;
      }
    }
  }
  std::printf("| exact plan, %s | plan / std::sort | %.2f | %.2f | %.0f us a plan, %d of %zu proved |\n", label,
              Quantile(ratios, 0.5), Quantile(ratios, 0.9), Quantile(plans, 0.5), proved, plans.size());
  std::printf("| the same, new budget | / first plan with its structure | %.2f | %.2f | |\n",
              Quantile(new_budgets, 0.5), Quantile(new_budgets, 0.9));
  std::printf("| the same, new importance | / first plan with its structure | %.2f | %.2f | |\n",
              Quantile(new_importances, 0.5), Quantile(new_importances, 0.9));
}

void PrintHardImportance(int size, double milliseconds) {
  const ModelProfile profile = MakeProfile(GraphShape::kChain, size, 77);
  const SelectionSolver solver(profile);
  WarmUp(solver, profile);
  for (ImportanceKind kind : {ImportanceKind::kNearUniform, ImportanceKind::kCostProportional}) {
    std::vector<double> gaps, times;
    for (double fraction : {0.2, 0.35, 0.5, 0.65, 0.8}) {
      TestRandom random(size + static_cast<int>(100 * fraction));
      const std::vector<double> importance = RandomImportance(profile, kind, random);
      const SelectionProblem problem = MakeProblem(profile, importance, fraction);
      const StopFunction stop = StopAfter(milliseconds);
      WorkMeter request(WorkMeter::kNoLimit, stop);
      SelectionResult result;
      times.push_back(Microseconds([&] { result = solver.Solve(problem, request); }) / 1000);
      const double value = SelectionValue(result.trainable, importance);
      gaps.push_back((result.upper_bound - value) / value);
    }
    std::printf("| %s importance, %d tensors, stopped at %.0f ms | certified gap | %.1e | %.1e | %.1f ms at most |\n",
                kind == ImportanceKind::kNearUniform ? "near-uniform" : "cost-proportional", size, milliseconds,
                Quantile(gaps, 0.5), Quantile(gaps, 1), Quantile(times, 1));
  }
}

void PrintBranches(const char* label, GraphShape shape, int layers, int repetitions) {
  const ModelProfile profile = MakeProfile(shape, layers, 1234);
  std::unique_ptr<SelectionSolver> solver;
  const double first = Microseconds([&] {
    solver = std::make_unique<SelectionSolver>(profile);
    WarmUp(*solver, profile);
  });
  std::vector<double> times, gaps;
  for (ImportanceKind kind : kEasyKinds) {
    for (int repetition = 0; repetition < repetitions; ++repetition) {
      TestRandom random(repetition);
      const std::vector<double> importance = RandomImportance(profile, kind, random);
      const SelectionProblem problem = MakeProblem(profile, importance, 0.15 + 0.7 * random.Unit());
      SelectionResult result;
      times.push_back(Microseconds([&] { result = solver->Solve(problem); }) / 1000);
      gaps.push_back(result.upper_bound / SelectionValue(result.trainable, importance) - 1);
    }
  }
  std::printf(
      "| %s, %zu ops, %zu tensors | ms a plan | %.2f | %.2f | first plan with its structure %.1f ms; largest gap %.1e "
      "|\n",
      label, profile.ops.size(), profile.tensors.size(), Quantile(times, 0.5), Quantile(times, 1), first / 1000,
      Quantile(gaps, 1));
}

}  // namespace

void PrintSyntheticRows() {
  PrintPlans("random decoders of 300-700 tensors", {{GraphShape::kDecoder, 24}, {GraphShape::kDecoder, 40}}, 20);
  PrintPlans("10,000 tensors", {{GraphShape::kChain, 10000}}, 5);
  PrintPlans("100,000 tensors", {{GraphShape::kChain, 100000}}, 2);
  PrintHardImportance(750, 10);
  PrintHardImportance(100000, 50);
  PrintBranches("encoder-decoder", GraphShape::kEncoderDecoder, 6, 10);
  PrintBranches("encoder-decoder", GraphShape::kEncoderDecoder, 24, 10);
  PrintBranches("encoder-decoder", GraphShape::kEncoderDecoder, 64, 5);
  PrintBranches("mixture of experts", GraphShape::kMixtureOfExperts, 32, 10);
}

}  // namespace greenplan
