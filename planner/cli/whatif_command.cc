#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "planner/cli/budget_list.h"
#include "planner/cli/commands.h"
#include "planner/cli/curve_html.h"
#include "planner/cli/inputs.h"
#include "planner/cli/output.h"
#include "planner/convert/convert.h"
#include "planner/convert/names.h"
#include "planner/convert/plan_json.h"
#include "planner/core/explanation.h"
#include "planner/flags/plan_flags.h"
#include "planner/job/planning.h"

namespace greenplan {
namespace {

struct WhatIfCommand {
  explicit WhatIfCommand(CLI::App& app) : flags(app, {.methods = {"selection", "drop", "joint"}, .has_budget = false}) {
    app.add_option("--profile", profile, "The model's profile (.json or .pb, also .gz).")->required();
    app.add_option("--importance", importance, "What training each tensor is worth (an ImportanceReport).")->required();
    app.add_option("--budgets", budgets,
                   "START:END:STEP, or a list of budgets; auto is the one of the highest value per cost.")
        ->delimiter(',')
        ->required();
    app.add_option("--format", format, "table (default), json, csv, or html: a page with the curve.")
        ->check(OneOf({"table", "json", "csv", "html"}));
  }

  absl::Status Run() const;

  PlanFlags flags;
  std::string profile;
  std::string importance;
  std::vector<std::string> budgets;
  std::string format = "table";
};

// What a budget buys.
nlohmann::ordered_json RowOf(const Budget& budget, const Plan& plan, const ModelProfile& profile,
                             const Measurements& measurements) {
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
  row["value_per_cost"] = ValuePerCost(profile, plan, measurements.importance);
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

absl::Status WhatIfCommand::Run() const {
  const auto requested = OptionsOfList(flags);
  if (!requested.ok()) return requested.status();
  const auto method = MethodFromProto(*requested);
  if (!method.ok()) return method.status();
  const auto parsed = ParseBudgets(budgets, flags, *method);
  if (!parsed.ok()) return parsed.status();
  const auto prepared = LoadProfile(profile);
  if (!prepared.ok()) return prepared.status();
  const auto options = (*prepared)->ReadOptions(*requested);
  if (!options.ok()) return PlanFlags::NameFlags(options.status());
  const auto report = LoadReport(importance, **prepared, *options);
  if (!report.ok()) return report.status();
  const PlanRequest request = {.measurements = &report->measurements, .options = &*options};
  const auto plans = MakeCurve((*prepared)->planner(), request, *parsed);
  if (!plans.ok()) return NameBudgets(PlanFlags::NameFlags(plans.status()));

  const ModelProfile& model = (*prepared)->profile();
  std::vector<nlohmann::ordered_json> rows;
  for (size_t i = 0; i < parsed->size(); ++i) {
    rows.push_back(RowOf((*parsed)[i], (*plans)[i], model, report->measurements));
  }
  if (format == "table") {
    Print(CurveTable(rows, model));
  } else if (format == "html") {
    Print(CurvePage(rows, model));
  } else {
    Print(format == "json" ? JsonLine(rows) : CsvOf(rows));
  }
  return absl::OkStatus();
}

}  // namespace

void AddWhatIfCommand(Program& program) {
  program.AddCommand<WhatIfCommand>(
      "whatif", "Shows what every budget of a list would buy.",
      "greenplan whatif --profile opt-2.7b.json --importance opt-2.7b.importance.json --budgets 0.4:1:0.1");
}

}  // namespace greenplan
