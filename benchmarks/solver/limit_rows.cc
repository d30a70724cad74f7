#include <algorithm>
#include <cstdio>
#include <vector>

#include "benchmarks/solver/measure.h"
#include "benchmarks/solver/problems.h"
#include "benchmarks/solver/rows.h"
#include "planner/core/cost.h"
#include "planner/core/selection.h"

namespace greenplan {
namespace {

// Half of what the best plan under the first limit keeps.
void PrintSavedBytes(const char* label, GraphShape shape, int layers) {
  const ModelProfile profile = MakeProfile(shape, layers, 4321);
  const SelectionSolver solver(profile);
  std::vector<double> times, gaps;
  int proved = 0;
  for (ImportanceKind kind : kEasyKinds) {
    for (double fraction : {0.3, 0.5, 0.7}) {
      TestRandom random(static_cast<uint64_t>(100 * fraction));
      const std::vector<double> importance = RandomImportance(profile, kind, random);
      SelectionProblem problem = MakeProblem(profile, importance, fraction);
      problem.max_saved_bytes = EvaluateMask(profile, solver.Solve(problem).trainable).saved_bytes / 2;
      SelectionResult result;
      times.push_back(Microseconds([&] { result = solver.Solve(problem); }) / 1000);
      const double value = SelectionValue(result.trainable, importance);
      if (value > 0) gaps.push_back((result.upper_bound - value) / value);
      proved += result.proved ? 1 : 0;
    }
  }
  std::printf(
      "| a second limit at half the saved bytes, %s of %zu tensors | certified gap | %.1e | %.1e | %.0f ms at "
      "the median, %.0f ms at most, %d of %zu proved |\n",
      label, profile.tensors.size(), Quantile(gaps, 0.5), Quantile(gaps, 1), Quantile(times, 0.5), Quantile(times, 1),
      proved, times.size());
}

// Random graphs too entangled for a proof, and a structure that is not built yet: the worst that a deadline can meet.
void PrintStops(int num_ops, double milliseconds) {
  TestRandom random(num_ops);
  const ModelProfile profile =
      RandomProfile({.shape = GraphShape::kDag, .size = num_ops, .max_tensors = 2 * num_ops}, random);
  const std::vector<double> importance = RandomImportance(profile, ImportanceKind::kHeavyTailed, random);
  std::vector<double> late;
  for (double fraction : {0.2, 0.4, 0.6, 0.8}) {
    SelectionProblem problem = MakeProblem(profile, importance, fraction);
    const SelectionSolver solver(profile);
    problem.should_stop = StopAfter(milliseconds);
    late.push_back(Microseconds([&] { solver.Solve(problem); }) / 1000 - milliseconds);
  }
  std::printf("| random graph of %d ops, stopped at %.0f ms | ms late | %.1f | %.1f | |\n", num_ops, milliseconds,
              Quantile(late, 0.5), Quantile(late, 1));
}

}  // namespace

void PrintLimitRows() {
  PrintSavedBytes("a chain", GraphShape::kChain, 500);
  PrintSavedBytes("a decoder", GraphShape::kDecoder, 32);
  PrintSavedBytes("an encoder-decoder", GraphShape::kEncoderDecoder, 12);
  PrintStops(1000, 10);
  PrintStops(5000, 10);
  PrintStops(100000, 10);
}

}  // namespace greenplan
