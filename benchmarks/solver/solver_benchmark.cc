// Prints how the solvers do against baselines run beside them, as ratios: absolute times depend on the machine.
//
//   ./dev bench solver
//
// Every repetition draws new importance, for the baseline too: a sort of the same data again and again is predicted
// branch by branch.

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "benchmarks/solver/published.h"
#include "planner/core/cost.h"
#include "planner/core/drop_rates.h"
#include "planner/core/random_profiles.h"
#include "planner/core/selection.h"

namespace {

// Heap in use, counted where it is asked for.
size_t heap_bytes = 0;
size_t heap_peak = 0;

}  // namespace

// Not inlined: the compiler would match free() with new and warn.
[[gnu::noinline]] void* operator new(size_t size) {
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  heap_bytes += malloc_usable_size(memory);
  heap_peak = std::max(heap_peak, heap_bytes);
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  if (memory != nullptr) heap_bytes -= malloc_usable_size(memory);
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept { operator delete(memory); }

namespace greenplan {
namespace {

using Clock = std::chrono::steady_clock;

template <typename Function>
double Microseconds(const Function& function) {
  const Clock::time_point start = Clock::now();
  function();
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

double Quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())))];
}

double ValueOf(const std::vector<bool>& mask, const std::vector<double>& importance) {
  double sum = 0;
  for (size_t k = 0; k < mask.size(); ++k) sum += mask[k] ? importance[k] : 0;
  return sum;
}

ModelProfile MakeProfile(GraphShape shape, int size, uint64_t seed) {
  TestRandom random(seed);
  return RandomProfile({.shape = shape, .size = size, .max_cost = int64_t{1} << 38, .free_share = 0.15}, random);
}

SelectionProblem MakeProblem(const ModelProfile& profile, const std::vector<double>& importance, double fraction) {
  SelectionProblem problem;
  problem.importance = &importance;
  problem.pins.assign(importance.size(), Pin::kFree);
  problem.backward_budget =
      static_cast<int64_t>(fraction * static_cast<double>(EvaluateMask(profile, FullMask(profile)).backward_cost));
  return problem;
}

// std::sort of the tensors' (importance per cost, index).
double SortTime(const ModelProfile& profile, const std::vector<double>& importance) {
  std::vector<std::pair<double, int>> order(importance.size());
  for (size_t k = 0; k < order.size(); ++k) {
    order[k] = {-importance[k] / (static_cast<double>(profile.tensors[k].weight_grad_cost) + 1), static_cast<int>(k)};
  }
  return Microseconds([&] { std::sort(order.begin(), order.end()); });
}

constexpr ImportanceKind kEasyKinds[] = {ImportanceKind::kHeavyTailed, ImportanceKind::kDecaying,
                                         ImportanceKind::kSizeCorrelated};

void BenchmarkPlans(const char* label, const std::vector<std::pair<GraphShape, int>>& models, int repetitions) {
  std::vector<double> plans, ratios, rebudgets, replans;
  int proved = 0, runs = 0;
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
        std::unique_ptr<SelectionSolver> solver;
        SelectionResult result;
        SelectionProblem problem = MakeProblem(profile, importance, fraction);
        const double build = Microseconds([&] { solver = std::make_unique<SelectionSolver>(profile); });
        const double plan = Microseconds([&] { result = solver->Solve(problem); });
        ++runs;
        proved += result.proved ? 1 : 0;
        problem = MakeProblem(profile, importance, fraction * 0.9);
        const double rebudget = Microseconds([&] { solver->Solve(problem); });
        problem.importance = &next;
        const double replan = Microseconds([&] { solver->Solve(problem); });
        plans.push_back(plan);
        ratios.push_back(plan / sort);
        rebudgets.push_back(rebudget / (build + plan));
        replans.push_back(replan / (build + plan));
      }
    }
  }
  std::printf("| %s | plan / std::sort | %.2f | %.2f | %.0f us a plan, %d of %d proved |\n", label,
              Quantile(ratios, 0.5), Quantile(ratios, 0.9), Quantile(plans, 0.5), proved, runs);
  std::printf("| %s, new budget | / first plan with its structure | %.2f | %.2f | |\n", label, Quantile(rebudgets, 0.5),
              Quantile(rebudgets, 0.9));
  std::printf("| %s, new importance | / first plan with its structure | %.2f | %.2f | |\n", label,
              Quantile(replans, 0.5), Quantile(replans, 0.9));
}

// Chains in the paper's arrays, output first.
void BenchmarkPublishedSelection() {
  std::vector<double> speedups, lost;
  int over_budget = 0, better = 0, runs = 0;
  for (int size : {300, 500}) {
    for (ImportanceKind kind : kEasyKinds) {
      TestRandom random(size);
      ModelProfile profile;
      std::vector<int64_t> activation_costs, weight_costs;
      for (int k = 0; k < size; ++k) {
        const bool is_norm = k % 3 == 0;
        activation_costs.push_back(random.Cost(is_norm ? 1000000 : 1000000000));
        weight_costs.push_back(random.Cost(is_norm ? 1000000 : 1000000000));
        Op op;
        // Autograd's reading: reaching a tensor pays for the layers above it.
        op.cost = k == 0 ? 0 : activation_costs[k - 1];
        if (k + 1 < size) op.inputs = {{k + 1, 0}};
        profile.ops.push_back(std::move(op));
        Tensor tensor;
        tensor.shape = {1 + random.Below(1000)};
        tensor.op = k;
        tensor.weight_grad_cost = weight_costs.back();
        profile.tensors.push_back(std::move(tensor));
      }
      const std::vector<double> importance = RandomImportance(profile, kind, random);
      for (double fraction : {0.3, 0.6}) {
        std::vector<bool> published;
        const double slow = Microseconds(
            [&] { published = GreenTrainerSelection(activation_costs, weight_costs, importance, fraction, 1000); });
        const SelectionSolver solver(profile);
        const SelectionProblem problem = MakeProblem(profile, importance, fraction);
        SelectionResult result;
        const double fast = Microseconds([&] { result = solver.Solve(problem); });
        ++runs;
        speedups.push_back(slow / fast);
        const bool fits = EvaluateMask(profile, published).backward_cost <= problem.backward_budget;
        over_budget += fits ? 0 : 1;
        const double exact = ValueOf(result.trainable, importance);
        const double theirs = ValueOf(published, importance);
        if (fits) lost.push_back((exact - theirs) / exact);
        better += !fits || exact >= theirs ? 1 : 0;
      }
    }
  }
  std::printf(
      "| GreenTrainer's program, T_q = 1000 | its time / plan | %.0f | %.0f | it exceeds the budget in %d of %d; "
      "where it does not it loses %.1f%% at the median; ours is better or equal in %d |\n",
      Quantile(speedups, 0.5), Quantile(speedups, 0.1), over_budget, runs,
      100 * (lost.empty() ? 0.0 : Quantile(lost, 0.5)), better);
}

void BenchmarkHardImportance(int size, double milliseconds) {
  const ModelProfile profile = MakeProfile(GraphShape::kChain, size, 77);
  const SelectionSolver solver(profile);
  for (ImportanceKind kind : {ImportanceKind::kNearUniform, ImportanceKind::kCostProportional}) {
    std::vector<double> gaps, times;
    for (double fraction : {0.2, 0.35, 0.5, 0.65, 0.8}) {
      TestRandom random(size + static_cast<int>(100 * fraction));
      const std::vector<double> importance = RandomImportance(profile, kind, random);
      SelectionProblem problem = MakeProblem(profile, importance, fraction);
      const Clock::time_point start = Clock::now();
      problem.should_stop = [&] {
        return std::chrono::duration<double, std::milli>(Clock::now() - start).count() > milliseconds;
      };
      SelectionResult result;
      times.push_back(Microseconds([&] { result = solver.Solve(problem); }) / 1000);
      const double value = ValueOf(result.trainable, importance);
      gaps.push_back((result.upper_bound - value) / value);
    }
    std::printf("| %s importance, %d tensors, stopped at %.0f ms | certified gap | %.1e | %.1e | %.1f ms at most |\n",
                kind == ImportanceKind::kNearUniform ? "near-uniform" : "cost-proportional", size, milliseconds,
                Quantile(gaps, 0.5), Quantile(gaps, 1), Quantile(times, 1));
  }
}

void BenchmarkCurve(int size, ImportanceKind kind, const char* label) {
  const ModelProfile profile = MakeProfile(GraphShape::kChain, size, 99);
  TestRandom random(size);
  const std::vector<double> importance = RandomImportance(profile, kind, random);
  const SelectionSolver solver(profile);
  const SelectionProblem one = MakeProblem(profile, importance, 0.5);
  const double plan = Microseconds([&] { solver.Solve(one); });
  std::vector<int64_t> budgets;
  for (int i = 1; i <= 1000; ++i) budgets.push_back(one.backward_budget / 500 * i);
  SelectionProblem problem = one;
  problem.work_limit = 200000;
  std::vector<SelectionResult> results;
  const double curve = Microseconds([&] { results = solver.SolveCurve(problem, budgets); });
  const auto unproved =
      std::count_if(results.begin(), results.end(), [](const SelectionResult& result) { return !result.proved; });
  std::printf("| curve of 1,000 budgets, %s | / one plan | %.0f | | %.1f ms, %ld with a gap |\n", label, curve / plan,
              curve / 1000, static_cast<long>(unproved));
}

void BenchmarkBranches(const char* label, GraphShape shape, int layers, int repetitions) {
  const ModelProfile profile = MakeProfile(shape, layers, 1234);
  std::unique_ptr<SelectionSolver> solver;
  const double build = Microseconds([&] { solver = std::make_unique<SelectionSolver>(profile); });
  std::vector<double> times, gaps;
  for (ImportanceKind kind : kEasyKinds) {
    for (int repetition = 0; repetition < repetitions; ++repetition) {
      TestRandom random(repetition);
      const std::vector<double> importance = RandomImportance(profile, kind, random);
      const SelectionProblem problem = MakeProblem(profile, importance, 0.15 + 0.7 * random.Unit());
      SelectionResult result;
      times.push_back(Microseconds([&] { result = solver->Solve(problem); }) / 1000);
      gaps.push_back(result.upper_bound / ValueOf(result.trainable, importance) - 1);
    }
  }
  std::printf("| %s, %zu ops, %zu tensors | ms a plan | %.2f | %.2f | structure once %.1f ms; largest gap %.1e |\n",
              label, profile.ops.size(), profile.tensors.size(), Quantile(times, 0.5), Quantile(times, 1), build / 1000,
              Quantile(gaps, 1));
}

void BenchmarkDropRates() {
  std::vector<double> ratios, speedups;
  int worse = 0;
  for (int seed = 0; seed < 200; ++seed) {
    TestRandom random(seed);
    DropRateProblem problem;
    constexpr int kBlocks = 160;
    int64_t total = 0;
    std::vector<double> sensitivity;
    for (int b = 0; b < kBlocks; ++b) {
      problem.block_costs.push_back(b % 2 == 0 ? 1000000000 : 2700000000);
      total += problem.block_costs.back();
      sensitivity.push_back(std::exp(random.Normal()));
    }
    problem.quadratic = sensitivity;
    problem.linear.assign(kBlocks, 0);
    problem.min_rates.assign(kBlocks, 0);
    problem.max_rates.assign(kBlocks, 1);
    const double rate = 0.3 + 0.5 * random.Unit();
    std::vector<double> greedy;
    const double slow = Microseconds([&] { greedy = DropBpRates(problem.block_costs, sensitivity, rate); });
    double skipped = 0;
    for (int b = 0; b < kBlocks; ++b) skipped += greedy[b] * static_cast<double>(problem.block_costs[b]);
    // What the greedy skips, so that both are held to the same.
    problem.required_skip = static_cast<int64_t>(std::min(skipped, rate * static_cast<double>(total)));
    double harm = 0;
    const double fast = Microseconds([&] { harm = OptimalDropRates(problem)->harm; });
    const double theirs = HarmOf(problem, greedy);
    ratios.push_back(theirs / harm);
    speedups.push_back(slow / fast);
    worse += harm > theirs * (1 + 1e-12) ? 1 : 0;
  }
  std::printf(
      "| drop rates, 160 blocks: the greedy in steps of 0.1 | its objective / ours | %.3f | %.3f | ours is worse "
      "in %d of 200; its time / ours %.1f |\n",
      Quantile(ratios, 0.5), Quantile(ratios, 0.9), worse, Quantile(speedups, 0.5));
}

void BenchmarkMemory() {
  const ModelProfile profile = MakeProfile(GraphShape::kChain, 100000, 5);
  TestRandom random(6);
  const std::vector<double> importance = RandomImportance(profile, ImportanceKind::kHeavyTailed, random);
  const SelectionProblem problem = MakeProblem(profile, importance, 0.5);
  const size_t before = heap_bytes;
  heap_peak = heap_bytes;
  const SelectionSolver solver(profile);
  const double built = static_cast<double>(heap_peak - before) / (1 << 20);
  heap_peak = heap_bytes;
  solver.Solve(problem);
  std::printf(
      "| heap beyond the input, 100,000 tensors | MiB at the peak | %.1f | %.1f | building the structure; planning |\n",
      built, static_cast<double>(heap_peak - before) / (1 << 20));
}

void Run() {
  std::printf("| case | measure | median | p90 or worst | |\n| --- | --- | --- | --- | --- |\n");
  BenchmarkPlans(
      "exact plan, chains of 300-750 tensors",
      {{GraphShape::kChain, 300}, {GraphShape::kChain, 450}, {GraphShape::kChain, 600}, {GraphShape::kChain, 750}}, 20);
  BenchmarkPlans("exact plan, decoders of 300-700 tensors", {{GraphShape::kDecoder, 24}, {GraphShape::kDecoder, 40}},
                 20);
  BenchmarkPlans("exact plan, 10,000 tensors", {{GraphShape::kChain, 10000}}, 5);
  BenchmarkPlans("exact plan, 100,000 tensors", {{GraphShape::kChain, 100000}}, 2);
  BenchmarkPublishedSelection();
  BenchmarkHardImportance(750, 10);
  BenchmarkHardImportance(100000, 50);
  BenchmarkCurve(700, ImportanceKind::kHeavyTailed, "700 tensors");
  BenchmarkCurve(700, ImportanceKind::kCostProportional, "700 tensors, cost-proportional");
  BenchmarkBranches("encoder-decoder", GraphShape::kEncoderDecoder, 6, 10);
  BenchmarkBranches("encoder-decoder", GraphShape::kEncoderDecoder, 24, 10);
  BenchmarkBranches("encoder-decoder", GraphShape::kEncoderDecoder, 64, 5);
  BenchmarkBranches("mixture of experts", GraphShape::kMixtureOfExperts, 32, 10);
  BenchmarkDropRates();
  BenchmarkMemory();
}

}  // namespace
}  // namespace greenplan

int main() { greenplan::Run(); }
