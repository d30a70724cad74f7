#include <cstdio>
#include <memory>
#include <vector>

#include "benchmarks/solver/measure.h"
#include "benchmarks/solver/problems.h"
#include "benchmarks/solver/rows.h"
#include "planner/core/cost.h"
#include "planner/core/planner.h"
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

// The same for requests to the planner, whose answer includes what a plan is checked and described by.
void PrintPlannerStops(const char* label, GraphShape shape, int size) {
  constexpr double kMilliseconds = 10;
  constexpr int kNumPoints = 50;
  TestRandom random(size);
  const auto profile = std::make_shared<const ModelProfile>(
      RandomProfile({.shape = shape, .size = size, .with_blocks = true, .max_tensors = 1000000}, random));
  Measurements measurements{.importance = RandomImportance(*profile, ImportanceKind::kHeavyTailed, random)};
  for (size_t b = 0; b < profile->blocks.size(); ++b) measurements.sensitivity.push_back(random.Unit());
  const auto late_of = [&](const PlanOptions& options, const std::vector<Budget>& curve) {
    const Planner planner(profile);
    PlanRequest request{.measurements = &measurements, .options = &options, .should_stop = StopAfter(kMilliseconds)};
    const double taken = Microseconds([&] {
      if (curve.empty()) {
        planner.MakePlan(request).status().IgnoreError();
      } else {
        planner.MakeCurve(request, curve).status().IgnoreError();
      }
    });
    return taken / 1000 - kMilliseconds;
  };
  std::vector<Budget> curve;
  for (int i = 1; i <= kNumPoints; ++i) {
    curve.push_back({.kind = Budget::Kind::kFractionOfBackward, .fraction = static_cast<double>(i) / kNumPoints});
  }
  PlanOptions auto_budget;
  auto_budget.budget.kind = Budget::Kind::kBestValuePerCost;
  PlanOptions joint{.method = Method::kJoint, .mu = 0.1};
  joint.budget = curve[kNumPoints / 2];
  PlanOptions drop = joint;
  drop.method = Method::kDrop;
  const struct {
    const char* what;
    PlanOptions options;
    bool is_curve;
  } requests[] = {{"the best value per cost", auto_budget, false},
                  {"method joint", joint, false},
                  {"method drop", drop, false},
                  {"a curve", PlanOptions(), true},
                  {"a curve of method joint", joint, true}};
  for (const auto& request : requests) {
    std::vector<double> late;
    for (int run = 0; run < 3; ++run) {
      late.push_back(late_of(request.options, request.is_curve ? curve : std::vector<Budget>()));
    }
    std::printf("| %s, %s, stopped at %.0f ms | ms late | %.1f | %.1f | |\n", label, request.what, kMilliseconds,
                Quantile(late, 0.5), Quantile(late, 1));
  }
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
  PrintPlannerStops("random graph of 5,000 ops", GraphShape::kDag, 5000);
  PrintPlannerStops("random graph of 100,000 ops", GraphShape::kDag, 100000);
  PrintPlannerStops("decoder of 5,000 ops", GraphShape::kDecoder, 250);
  PrintPlannerStops("decoder of 100,000 ops", GraphShape::kDecoder, 5000);
}

}  // namespace greenplan
