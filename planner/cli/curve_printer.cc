#include "planner/cli/curve_printer.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "planner/cli/curve_html.h"
#include "planner/cli/output.h"
#include "planner/convert/names.h"
#include "planner/convert/plan_json.h"
#include "planner/core/explanation.h"

namespace greenplan {
namespace {

// What a budget buys.
nlohmann::ordered_json RowOf(const Budget& budget, const Plan& plan, const ModelProfile& profile,
                             const std::vector<double>& importance) {
  const TrainableShare share = ShareOf(plan.trainable, profile);
  nlohmann::ordered_json row;
  if (budget.kind == Budget::Kind::kAbsolute) {
    row["budget"] = budget.absolute;
  } else if (budget.kind == Budget::Kind::kBestValuePerCost) {
    row["budget"] = "auto";
  } else {
    row["budget"] = budget.fraction;
  }
  row["predicted_cost"] = plan.predicted_cost;
  row["value"] = plan.value;
  row["upper_bound"] = plan.upper_bound;
  row["trainable_count"] = share.num_trainable;
  row["trainable_fraction_of_parameters"] = share.parameters > 0 ? share.trainable_parameters / share.parameters : 0;
  row["saved_bytes"] = plan.saved_bytes;
  row["value_per_cost"] = ValuePerCost(profile, plan, importance);
  row["budget_cost"] = plan.budget;
  row["full_cost"] = plan.full_cost;
  row["status"] = StatusName(plan.status);
  row["message"] = plan.message;
  return row;
}

std::string CurveTable(const std::vector<nlohmann::ordered_json>& rows, const ModelProfile& profile) {
  TextTable table({"budget", "predicted cost", "of full", "value", "upper bound", "value per cost", "tensors",
                   "parameters", "saved activations", "status"});
  for (const nlohmann::ordered_json& row : rows) {
    const int64_t cost = row["predicted_cost"];
    table.AddRow({BudgetLabel(row["budget"]), HumanCost(cost, profile.cost_unit),
                  Percent(static_cast<double>(cost), row["full_cost"]), absl::StrCat(row["value"].get<double>()),
                  absl::StrCat(row["upper_bound"].get<double>()),
                  absl::StrFormat("%.3f", row["value_per_cost"].get<double>()), row["trainable_count"].dump(),
                  Percent(row["trainable_fraction_of_parameters"], 1), HumanBytes(row["saved_bytes"]), row["status"]});
  }
  return table.ToString();
}

}  // namespace

void PrintCurve(const Curve& curve, const ModelProfile& profile, const std::string& format) {
  std::vector<nlohmann::ordered_json> rows;
  for (size_t i = 0; i < curve.budgets.size(); ++i) {
    rows.push_back(RowOf(curve.budgets[i], curve.plans[i], profile, curve.importance));
  }
  if (format == "table") {
    Print(CurveTable(rows, profile));
  } else if (format == "html") {
    Print(CurvePage(rows, profile));
  } else {
    Print(format == "json" ? JsonLine(rows) : CsvOf(rows));
  }
}

}  // namespace greenplan
