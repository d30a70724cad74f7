#include <cstdio>
#include <vector>

#include "benchmarks/solver/measure.h"
#include "benchmarks/solver/problems.h"
#include "benchmarks/solver/rows.h"
#include "planner/core/cost.h"
#include "planner/core/selection/selection.h"
#include "tests/statistics/quantile.h"

namespace greenplan {
namespace {

// Plans with a second limit: half of the saved bytes of the best plan without it.
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

// Measures how late a plan stops after a deadline. The structure is not built yet, and random graphs are too entangled
// for a proof, so this is the worst case.
void PrintStops(const char* label, GraphShape shape, int size, bool has_byte_limit) {
  constexpr double kMilliseconds = 10;
  TestRandom random(size);
  const ModelProfile profile = RandomProfile({.shape = shape, .size = size, .max_tensors = 1000000}, random);
  const std::vector<double> importance = RandomImportance(profile, ImportanceKind::kHeavyTailed, random);
  std::vector<double> late;
  for (double fraction : {0.2, 0.4, 0.6, 0.8}) {
    SelectionProblem problem = MakeProblem(profile, importance, fraction);
    if (has_byte_limit) problem.max_saved_bytes = EvaluateMask(profile, FullMask(profile)).saved_bytes / 2;
    const SelectionSolver solver(profile);
    const StopFunction stop = StopAfter(kMilliseconds);
    WorkMeter request(WorkMeter::kNoLimit, stop);
    late.push_back(Microseconds([&] { solver.Solve(problem, request); }) / 1000 - kMilliseconds);
  }
  std::printf("| %s%s, stopped at %.0f ms | ms late | %.1f | %.1f | |\n", label,
              has_byte_limit ? ", with a second limit" : "", kMilliseconds, Quantile(late, 0.5), Quantile(late, 1));
}

}  // namespace

void PrintLimitRows() {
  PrintSavedBytes("a chain", GraphShape::kChain, 500);
  PrintSavedBytes("a decoder", GraphShape::kDecoder, 32);
  PrintSavedBytes("an encoder-decoder", GraphShape::kEncoderDecoder, 12);
  PrintStops("random graph of 1,000 ops", GraphShape::kDag, 1000, false);
  PrintStops("random graph of 5,000 ops", GraphShape::kDag, 5000, false);
  PrintStops("random graph of 5,000 ops", GraphShape::kDag, 5000, true);
  PrintStops("random graph of 100,000 ops", GraphShape::kDag, 100000, false);
  PrintStops("decoder of 100,000 tensors", GraphShape::kDecoder, 6700, true);
}

}  // namespace greenplan
