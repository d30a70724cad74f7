#include "planner/job/explain.h"

#include <cmath>
#include <optional>
#include <utility>

#include "planner/core/cost.h"
#include "planner/core/explanation.h"
#include "planner/job/planning.h"

namespace greenplan {
namespace {

using nlohmann::ordered_json;

std::vector<ordered_json> Rows(const ModelProfile& profile, const std::vector<TensorMarginal>& marginals,
                               const std::vector<std::optional<int64_t>>& entry_budgets) {
  std::vector<ordered_json> rows;
  for (size_t k = 0; k < marginals.size(); ++k) {
    ordered_json row = {{"tensor", profile.tensors[k].name},
                        {"trainable", marginals[k].trainable},
                        {"importance", marginals[k].importance},
                        {"marginal_cost", marginals[k].marginal_cost},
                        {"marginal_saved_bytes", marginals[k].marginal_saved_bytes},
                        {"entry_budget", nullptr}};
    if (entry_budgets[k]) row["entry_budget"] = *entry_budgets[k];
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

int64_t FullCost(const ModelProfile& profile) {
  return profile.forward_cost + EvaluateMask(profile, FullMask(profile)).backward_cost;
}

std::vector<Budget> DefaultCurveBudgets(const ModelProfile& profile, const PlanOptions& options) {
  constexpr int kNumBudgets = 50;
  std::vector<bool> pinned(profile.tensors.size(), false);
  for (const int k : options.always) pinned[k] = true;
  const int64_t least = profile.forward_cost + EvaluateMask(profile, pinned).backward_cost;
  const double full = static_cast<double>(FullCost(profile));
  std::vector<Budget> budgets;
  for (int i = 1; i <= kNumBudgets; ++i) {
    const double fraction = static_cast<double>(i) / kNumBudgets;
    if (i < kNumBudgets && std::floor(fraction * full) < static_cast<double>(least)) continue;
    budgets.push_back({.kind = Budget::Kind::kFractionOfFull,
                       .fraction = fraction,
                       .max_saved_bytes = options.budget.max_saved_bytes});
  }
  return budgets;
}

absl::StatusOr<std::vector<ordered_json>> ExplainPlan(const PreparedProfile& profile, const Plan& plan,
                                                      const Measurements& measurements, const PlanOptions& options,
                                                      std::vector<Budget> budgets) {
  const ModelProfile& model = profile.profile();
  PlanOptions curve_options = options;
  curve_options.method = Method::kSelection;
  if (budgets.empty()) budgets = DefaultCurveBudgets(model, options);
  const auto curve = MakeCurve(profile.planner(), {.measurements = &measurements, .options = &curve_options}, budgets);
  if (!curve.ok()) return curve.status();
  const auto marginals = ExplainMask(model, plan.trainable, measurements.importance);
  if (!marginals.ok()) return marginals.status();
  return Rows(model, *marginals, EntryBudgets(*curve, static_cast<int>(model.tensors.size())));
}

}  // namespace greenplan
