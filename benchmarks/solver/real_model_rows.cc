#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <vector>

#include "benchmarks/solver/measure.h"
#include "benchmarks/solver/problems.h"
#include "benchmarks/solver/published.h"
#include "benchmarks/solver/rows.h"
#include "planner/core/cost.h"
#include "planner/core/selection/selection.h"
#include "tests/real_models/real_models.h"
#include "tests/statistics/quantile.h"

namespace greenplan {
namespace {

constexpr int kRepetitions = 8;
constexpr double kFractions[] = {0.1, 0.25, 0.4, 0.55, 0.7, 0.85};

// One entry for each plan that was measured.
struct Times {
  std::vector<double> plans, ratios, new_budgets, new_importances;
  int proved = 0;
};

// Measures plans whose structure is built already. A solver builds it with its first plan.
void MeasurePlan(const RealModel& model, const std::vector<double>& importance, double fraction,
                 const std::vector<double>& other, Times& times) {
  const double sort = SortTime(model.profile, importance);
  SelectionProblem problem = MakeProblem(model.profile, importance, fraction);
  std::unique_ptr<SelectionSolver> solver;
  const double first = Microseconds([&] {
    solver = std::make_unique<SelectionSolver>(model.profile);
    solver->Solve(problem);
  });
  problem = MakeProblem(model.profile, importance, 0.93 * fraction);
  times.new_budgets.push_back(Microseconds([&] { solver->Solve(problem); }) / first);
  problem = MakeProblem(model.profile, other, fraction);
  times.new_importances.push_back(Microseconds([&] { solver->Solve(problem); }) / first);
  problem = MakeProblem(model.profile, importance, fraction);
  SelectionResult result;
  times.plans.push_back(Microseconds([&] { result = solver->Solve(problem); }));
  times.ratios.push_back(times.plans.back() / sort);
  times.proved += result.proved ? 1 : 0;
}

// Each repetition goes through all instances. If one instance were repeated at once, the processor would predict its
// branches.
void PrintChainRows(const std::vector<RealModel>& models) {
  Times times;
  for (int repetition = 0; repetition < kRepetitions; ++repetition) {
    for (double fraction : kFractions) {
      for (int kind = 0; kind < 3; ++kind) {
        for (const RealModel& model : models) {
          if (!model.is_chain) continue;
          MeasurePlan(model, model.importances[kind].importance, fraction, model.importances[(kind + 1) % 3].importance,
                      times);
        }
      }
    }
  }
  std::printf(
      "| exact plan, 4 real chains of 291-558 tensors, 3 kinds of importance, 6 budgets | plan / std::sort | "
      "%.2f | %.2f | %.0f us a plan, %d of %zu proved |\n",
      Quantile(times.ratios, 0.5), Quantile(times.ratios, 0.9), Quantile(times.plans, 0.5), times.proved,
      times.plans.size());
  std::printf("| the same, new budget | / first plan with its structure | %.2f | %.2f | |\n",
              Quantile(times.new_budgets, 0.5), Quantile(times.new_budgets, 0.9));
  std::printf("| the same, new importance | / first plan with its structure | %.2f | %.2f | |\n",
              Quantile(times.new_importances, 0.5), Quantile(times.new_importances, 0.9));
}

// Runs GreenTrainer's program on the chain, which it takes as arrays from the output to the input.
std::vector<bool> PublishedSelection(const ModelProfile& profile, const std::vector<double>& importance,
                                     double fraction, double& microseconds) {
  std::vector<int64_t> activation_costs, weight_costs;
  std::vector<double> reversed(importance.rbegin(), importance.rend());
  for (size_t k = profile.tensors.size(); k-- > 0;) {
    weight_costs.push_back(profile.tensors[k].weight_grad_cost);
    activation_costs.push_back(profile.ops[profile.tensors[k].op].cost);
  }
  std::vector<bool> mask;
  microseconds =
      Microseconds([&] { mask = GreenTrainerSelection(activation_costs, weight_costs, reversed, fraction, 1000); });
  return {mask.rbegin(), mask.rend()};
}

void PrintPublishedRow(const std::vector<RealModel>& models) {
  std::vector<double> speedups, lost;
  int over_budget = 0, not_worse = 0, runs = 0;
  for (const RealModel& model : models) {
    if (!model.is_chain) continue;
    const SelectionSolver solver(model.profile);
    for (const RealImportance& measured : model.importances) {
      for (double fraction : kFractions) {
        double slow = 0;
        const std::vector<bool> published = PublishedSelection(model.profile, measured.importance, fraction, slow);
        const SelectionProblem problem = MakeProblem(model.profile, measured.importance, fraction);
        SelectionResult result;
        std::vector<double> plans;
        for (int repetition = 0; repetition < kRepetitions; ++repetition) {
          WarmUp(solver, model.profile);  // This also fills the caches, which the program has just emptied.
          plans.push_back(Microseconds([&] { result = solver.Solve(problem); }));
        }
        speedups.push_back(slow / Quantile(plans, 0.5));
        ++runs;
        const bool fits = EvaluateMask(model.profile, published).backward_cost <= problem.backward_budget;
        const double theirs = SelectionValue(published, measured.importance);
        const double ours = SelectionValue(result.trainable, measured.importance);
        over_budget += fits ? 0 : 1;
        not_worse += !fits || ours >= theirs ? 1 : 0;
        if (fits && ours > 0) lost.push_back((ours - theirs) / ours);
      }
    }
  }
  std::printf(
      "| GreenTrainer's program, T_q = 1000, the same chains | its time / plan | %.0f | %.0f | it exceeds the "
      "budget in %d of %d; where it does not it loses %.1f%% at the median, %.1f%% at worst; ours is better or "
      "equal in %d |\n",
      Quantile(speedups, 0.5), Quantile(speedups, 0.1), over_budget, runs,
      100 * (lost.empty() ? 0.0 : Quantile(lost, 0.5)), 100 * (lost.empty() ? 0.0 : Quantile(lost, 1)), not_worse);
}

void PrintGraphRow(const std::vector<RealModel>& models) {
  std::vector<double> times;
  int optimal = 0;
  for (const RealModel& model : models) {
    if (model.is_chain) continue;
    for (const RealImportance& measured : model.importances) {
      for (const KnownOptimum& known : measured.optima) {
        SelectionProblem problem = MakeProblem(model.profile, measured.importance, 1);
        problem.backward_budget = known.backward_budget;
        SelectionResult result;
        times.push_back(Microseconds([&] { result = SelectionSolver(model.profile).Solve(problem); }) / 1000);
        const double value = SelectionValue(result.trainable, measured.importance);
        optimal += result.proved && std::abs(value - known.value) <= 1e-9 * known.value ? 1 : 0;
      }
    }
  }
  std::printf(
      "| backward graphs of GPT-2 and T5-small, structure included | ms a plan | %.2f | %.2f | %d of %zu at the "
      "optimum that HiGHS proved |\n",
      Quantile(times, 0.5), Quantile(times, 1), optimal, times.size());
}

}  // namespace

void PrintRealModelRows() {
  const absl::StatusOr<std::vector<RealModel>> models = LoadRealModels();
  if (!models.ok()) {
    std::cerr << models.status() << "\n";
    std::exit(1);
  }
  PrintChainRows(*models);
  PrintPublishedRow(*models);
  PrintGraphRow(*models);
}

}  // namespace greenplan
